import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Decision } from '../core/decision.js';
import { describeValue, misconfigured } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import {
  copyOptions,
  type GroupMember,
  LIMIT_KEYS,
  LIMIT_OPTION_KEYS,
  type LimitDefinition,
  type LimitFunction,
  type LimitOptions,
  type SharedPolicyUse,
} from './limit-definition.js';
import {
  type LimitDeclaration,
  LIMITS_METADATA,
  type SkipDeclaration,
  SKIPS_METADATA,
} from './rate-limit.declaration.js';
import { decisionOf } from './request-decisions.js';

/**
 * Limits a route, or all routes of a controller: `capacity` requests at once, refilled evenly from empty to full in
 * `perSeconds` seconds, per client. Several decorators on one target add up if their names differ. Numbers are checked
 * when the application starts.
 */
export function RateLimit(
  capacity: number,
  perSeconds: number,
  options?: LimitOptions,
): MethodDecorator & ClassDecorator;
/** Applies a shared policy of `RateLimitModule.forRoot({ policies })`: one bucket over all routes that name it. */
export function RateLimit(policyName: string, use?: SharedPolicyUse): MethodDecorator & ClassDecorator;
/**
 * Several limits at once, all of which must admit a request: a limit string, which starts with a digit
 * (`'10/second; 1000/hour'`), a list, or a function of the execution context that gives either or the numbers of one bucket.
 */
export function RateLimit(
  limits: string | readonly GroupMember[] | LimitFunction,
  options?: LimitOptions,
): MethodDecorator & ClassDecorator;
/** The same as the first form in one object, or with a refill of its own: `{ capacity, refillTokens, refillSeconds }`. */
export function RateLimit(definition: LimitDefinition): MethodDecorator & ClassDecorator;
export function RateLimit(...args: readonly unknown[]): MethodDecorator & ClassDecorator {
  return declare('RateLimit', LIMITS_METADATA, (where) => toDeclaration(args, where));
}

/** Lifts the limits of farther places (module, class) from this target: all of them, or those named. */
export function SkipRateLimit(...names: string[]): MethodDecorator & ClassDecorator {
  const skip: SkipDeclaration = names.length === 0 ? 'all' : names;
  return declare('SkipRateLimit', SKIPS_METADATA, () => skip);
}

/** Hands the request's decision to a handler parameter; `undefined` where no limit applies. */
export const RateLimitDecision: () => ParameterDecorator = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Decision | undefined => decisionOf(context),
);

/** From whichever form was used; what untyped code passes beside it must not be ignored. */
function toDeclaration(args: readonly unknown[], where: string): LimitDeclaration {
  const [first, second, third] = args;
  const isBucket = typeof first === 'object' && !Array.isArray(first);
  const most = isBucket ? 1 : typeof first === 'number' ? 3 : 2;
  if (args.length > most) {
    misconfigured(
      where,
      `${args.length} arguments were given where ${most} have a meaning`,
      'use @RateLimit(capacity, perSeconds, options), @RateLimit(name, { cost }), @RateLimit(limits, options) or one object',
    );
  }
  if (isPolicyName(first)) return { kind: 'shared', policyName: first, use: second ?? {} };
  if (isBucket) return { kind: 'own', definition: copyOptions(first as LimitDefinition, LIMIT_KEYS) };
  if (typeof first === 'number' || first === undefined)
    return own({ capacity: first, perSeconds: second }, third, where);
  if (typeof second === 'number') rejectTextualCapacity(first, where);
  return own({ limits: first }, second, where);
}

function rejectTextualCapacity(capacity: unknown, where: string): never {
  return misconfigured(
    where,
    `capacity is ${describeValue(capacity)}; expected a number`,
    'pass a number, for example Number(process.env.…) checked by your configuration',
  );
}

/** Names of policies start with a letter, limit strings with a digit; whatever else is no name either, as its error says. */
function isPolicyName(first: unknown): first is string {
  return typeof first === 'string' && !/^\s*\d/.test(first);
}

function own(numbers: object, options: unknown = {}, where: string): LimitDeclaration {
  checkOptions(options, LIMIT_OPTION_KEYS, where);
  return {
    kind: 'own',
    definition: { ...copyOptions(options as LimitOptions, LIMIT_KEYS), ...numbers } as LimitDefinition,
  };
}

/**
 * Written by class and method name, not onto the function: a decorator above may put another function in its place.
 * Decorators run bottom up: putting each one in front keeps the order in which they are written.
 */
function declare(
  decorator: string,
  key: string,
  valueAt: (where: string) => unknown,
): MethodDecorator & ClassDecorator {
  return (target: object, property?: string | symbol, descriptor?: { readonly value?: unknown }) => {
    const owner = typeof target === 'function' ? target.name : target.constructor.name;
    const where = `@${decorator} on ${property === undefined ? owner : `${owner}.${String(property)}`}`;
    const value = valueAt(where);
    if (property === undefined) {
      Reflect.defineMetadata(key, [value, ...ownList(Reflect.getOwnMetadata(key, target))], target);
      return;
    }
    if (typeof target === 'function' || typeof descriptor?.value !== 'function') {
      misconfigured(
        where,
        'it stands on what is not a method of an instance',
        'put it on a controller or on one of its methods',
      );
    }
    Reflect.defineMetadata(key, [value, ...ownList(Reflect.getOwnMetadata(key, target, property))], target, property);
  };
}

/** Only the target's own list, to be copied: a subclass never writes into its parent's. */
function ownList(list: unknown): readonly unknown[] {
  return (list as readonly unknown[] | undefined) ?? [];
}
