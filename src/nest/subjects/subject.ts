import type { ExecutionContext } from '@nestjs/common';
import { describeValue, misconfigured, MissingSubjectError } from '../../core/errors.js';
import type { MaybePromise } from '../../core/storage.js';
import { isObject } from './is-object.js';
import { rejectFactory } from './subject-factories.js';

/** When a subject is known: before authentication (in the guard) or after it (in the interceptor). */
export type Phase = 'guard' | 'interceptor';

/** What subjects read of a request; requests of Express and Fastify have this shape. */
export interface HttpRequest {
  /** The client's address as the platform finds it, by its own proxy settings. */
  readonly ip?: string | undefined;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Node's request, where the platform wraps it. */
  readonly raw?: object;
  readonly socket?: { readonly remoteAddress?: string | undefined } | null;
  /** Set by authentication. */
  readonly user?: unknown;
}

/** Says who is limited. Made by `ip()`, `user()`, `header()`, `everyone()`, `firstOf()` and `afterAuthentication()`. */
export interface SubjectResolver {
  readonly phase: Phase;
  /** As written in code, for messages: `ip()`, `header("x-api-key")`. */
  readonly description: string;
  /** Whether the client's address may decide, so that it matters which proxies are trusted. */
  readonly usesAddress: boolean;
  /** The subject with its kind in front (`ip:203.0.113.7`), or undefined when the request shows none. */
  resolve(context: ExecutionContext, request: HttpRequest): MaybePromise<string | undefined>;
  /** The error when nobody was found in the request. Default: MissingSubjectError with the remedy. */
  missing?(place: string, request: HttpRequest): Error;
}

/**
 * Who is limited, by a function of yours: a non-empty string or a finite number. `undefined`, `null` and the empty string mean
 * that the request shows nobody. Called before authentication, so `request.user` is not set yet: see `afterAuthentication`.
 */
export type SubjectFunction = (context: ExecutionContext) => MaybePromise<string | number | bigint | undefined | null>;

/** Who is limited: a subject of this package, or a function of the execution context. */
export type Subject = SubjectResolver | SubjectFunction;

/** @throws RateLimitConfigurationError for what is neither a subject nor a function. */
export function toSubjectResolver(subject: Subject, where = 'by'): SubjectResolver {
  if (typeof subject === 'function') return functionSubject(subject, 'guard', describeValue(subject), where);
  // Not by class: any object that can resolve is welcome, also one from another copy of this package.
  if (typeof (subject as Partial<SubjectResolver> | null | undefined)?.resolve === 'function')
    return checked(subject, where);
  return misconfigured(
    where,
    `the subject is ${describeValue(subject)}`,
    'use ip(), user(), header(name), everyone(), firstOf(…) or a function of the execution context',
  );
}

/** One that a request is asked for in no phase would limit nobody. */
function checked(subject: SubjectResolver, where: string): SubjectResolver {
  const { phase }: { phase: unknown } = subject;
  if (phase === 'guard' || phase === 'interceptor') return subject;
  return misconfigured(
    where,
    `the phase of the subject is ${describeValue(phase)}`,
    'use "guard" for what is known before authentication, or "interceptor"',
  );
}

/**
 * A subject by a function of the application. Kinds keep apart what functions and built-in subjects yield.
 * @throws RateLimitConfigurationError for a function that makes subjects
 */
export function functionSubject(
  subjectFunction: SubjectFunction,
  phase: Phase,
  description: string,
  where: string,
): SubjectResolver {
  rejectFactory(subjectFunction, where);
  const prefixed = (value: unknown, context: ExecutionContext): string | undefined => {
    const id = textOfId(value);
    if (id !== undefined) return `custom:${id}`;
    if (value === undefined || value === null || value === '') return undefined;
    throw notAnId(value, description, context);
  };
  return {
    phase,
    description,
    usesAddress: false,
    resolve(context) {
      const value: unknown = subjectFunction(context);
      return isPromiseLike(value)
        ? Promise.resolve(value).then((late) => prefixed(late, context))
        : prefixed(value, context);
    },
  };
}

/**
 * The subject of a request, at once if the resolver answers at once. Strangers never share a bucket: when nobody is
 * found, this throws what the resolver says, by default MissingSubjectError.
 *
 * @param place where the limit is written, for the message.
 */
export function resolveSubject(
  resolver: SubjectResolver,
  context: ExecutionContext,
  request: HttpRequest,
  place: string,
): MaybePromise<string> {
  const found: unknown = resolver.resolve(context, request);
  if (typeof found === 'string' && found !== '') return found;
  if (isPromiseLike(found)) return Promise.resolve(found).then((late) => somebody(late, resolver, place, request));
  return somebody(found, resolver, place, request);
}

function somebody(found: unknown, resolver: SubjectResolver, place: string, request: HttpRequest): string {
  if (typeof found === 'string' && found !== '') return found;
  throw missingSubject(resolver, place, request);
}

/** The error for a request in which a resolver found nobody. */
export function missingSubject(resolver: SubjectResolver, place: string, request: HttpRequest): Error {
  return (
    resolver.missing?.(place, request) ??
    new MissingSubjectError(
      `${place}: ${resolver.description} found nobody to limit in this request, and strangers never share a bucket. ` +
        'Remedy: make it name somebody for every request, or put a fallback behind it: firstOf(…, ip()).',
    )
  );
}

/** An identity as text: a non-empty string or a finite number; anything else identifies nobody. */
export function textOfId(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value)) ? String(value) : undefined;
}

/** What came, without its content: objects in requests hold secrets, and messages end up in logs. */
export function kindOf(value: unknown): string {
  if (!isObject(value)) return value === '' ? 'an empty string' : describeValue(value);
  if (typeof value === 'function') return 'a function';
  const { constructor } = value;
  return typeof constructor === 'function' && constructor !== Object
    ? `an instance of ${constructor.name}`
    : 'a plain object';
}

/** The handler that is being called, for messages: `ReportsController.list`. */
export function handlerName(context: ExecutionContext): string {
  return `${context.getClass().name}.${context.getHandler().name}`;
}

function notAnId(value: unknown, description: string, context: ExecutionContext): MissingSubjectError {
  const remedy =
    isObject(value) && 'resolve' in value
      ? 'call it where the limit is declared, as in { by: ip() }, and choose between subjects with firstOf(…)'
      : 'return what identifies the client, for example its id as a string';
  return new MissingSubjectError(
    `${description} at ${handlerName(context)} gave ${kindOf(value)}; expected a string or a number. Remedy: ${remedy}.`,
  );
}

/** Also promises of other libraries and queries that run when awaited. */
export function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return isObject(value) && 'then' in value && typeof value.then === 'function';
}
