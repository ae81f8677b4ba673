import type { ExecutionContext } from '@nestjs/common';
import type { StorageFailureMode } from '../core/bucket-shape.js';
import { checkedFailureMode } from '../core/policy-checks.js';
import type { Decision } from '../core/decision.js';
import { describeValue, misconfigured } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import type { OverridesOptions } from '../core/overrides/overrides-options.js';
import { RateLimitStorage } from '../core/storage.js';
import { type HeadersOptions, type ResolvedHeadersOptions, resolveHeadersOptions } from './headers/headers.options.js';
import type {
  LimitDefinition,
  LimitFunction,
  Limits,
  SharedPolicyDefinition,
  SkipFunction,
} from './limit-definition.js';
import { resolveOverrides } from './overrides-option.js';
import { checkedFunction, oncePerRequest } from './request-functions.js';
import {
  type ObservingOptions,
  resolveObservingOptions,
  type WrittenObservingOptions,
} from './observing/observing.options.js';
import { ip } from './subjects/ip.js';
import { type Subject, type SubjectResolver, toSubjectResolver } from './subjects/subject.js';

/**
 * The body of a refusal: Nest's usual shape, a problem document of RFC 9457 (`application/problem+json`), or a function
 * that makes one.
 */
export type RefusalBody =
  'nest' | 'problem' | ((decision: Decision, context: ExecutionContext) => string | Record<string, unknown>);

/** What `RateLimitModule.forRoot` takes. Everything has a default; without any option only decorated routes are limited. */
export interface RateLimitModuleOptions extends WrittenObservingOptions {
  /** Where buckets are kept. Default: memory, one per application. */
  readonly storage?: RateLimitStorage | undefined;
  /** The limit of every route that has none of the same name: one bucket per client over all of them. Default: none. */
  readonly default?: LimitDefinition | Limits | LimitFunction | undefined;
  /** Shared policies by name; each applies only to the routes that name it and is one bucket over them. */
  readonly policies?: Readonly<Record<string, SharedPolicyDefinition | Limits | LimitFunction>> | undefined;
  /** Who is limited where a limit does not say. Default: `ip()`. */
  readonly by?: Subject | undefined;
  /** Lifts every limit from the requests for which it answers `true`. Asked once at each request, when its first limit is. */
  readonly skipIf?: SkipFunction | undefined;
  /**
   * What limits that do not say do while the storage cannot be asked: they are counted in this process (`'local'`), they
   * admit everything (`'allow'`), or requests fail with 503 and Retry-After (`'deny'`). Default: `'local'`.
   */
  readonly onStorageFailure?: StorageFailureMode | undefined;
  /**
   * How many instances of the application share the storage. Each gives out its part of a `'local'` limit while the
   * storage is away. Integer from 1 to 1 000 000. Default: unknown, so each gives out the whole limit.
   */
  readonly instances?: number | undefined;
  /**
   * Whether limits can be changed and subjects blocked while the application runs, by `RateLimitOverrides`; with
   * `refreshSeconds`, how often this instance asks what others have changed. Default: `false`.
   */
  readonly overrides?: boolean | OverridesOptions | undefined;
  /** The header fields of limited answers. */
  readonly headers?: HeadersOptions | undefined;
  /** The body of a refusal. Default: `'nest'`. */
  readonly body?: RefusalBody | undefined;
  /** Mount guard and interceptor before all others of the application. `false`: you mount them. Default: true. */
  readonly global?: boolean | undefined;
}

/** Makes the options, for `forRootAsync({ useClass })` and `useExisting`. */
export interface RateLimitOptionsFactory {
  createRateLimitOptions(): RateLimitModuleOptions | Promise<RateLimitModuleOptions>;
}

/** The options, checked and with their defaults. Policies are checked where they are compiled. */
export interface ResolvedRateLimitOptions {
  readonly storage: RateLimitStorage | undefined;
  readonly default: RateLimitModuleOptions['default'];
  readonly policies: NonNullable<RateLimitModuleOptions['policies']>;
  readonly by: SubjectResolver;
  readonly skipIf: SkipFunction | undefined;
  readonly onStorageFailure: StorageFailureMode;
  readonly instances: number | undefined;
  readonly overrides: OverridesOptions | undefined;
  readonly headers: ResolvedHeadersOptions;
  readonly body: RefusalBody;
  readonly observing: ObservingOptions;
  readonly global: boolean;
  /** The call that gave the options, for messages. */
  readonly where: string;
}

/** Injection token of the resolved options. */
export const RATE_LIMIT_OPTIONS = Symbol.for('nestjs-token-bucket:options');

const KNOWN: readonly string[] = [
  'storage',
  'default',
  'policies',
  'by',
  'skipIf',
  'onStorageFailure',
  'instances',
  'overrides',
  'headers',
  'body',
  'hooks',
  'logDenials',
  'logPolicies',
  'global',
];

const MOST_INSTANCES = 1_000_000;

/** @throws RateLimitConfigurationError for a misspelt option or a value of the wrong kind. */
export function resolveOptions(options: RateLimitModuleOptions, where: string): ResolvedRateLimitOptions {
  checkOptions(options, KNOWN, where);
  const { storage, body = 'nest', global = true, policies = {}, onStorageFailure = 'local', instances } = options;
  if (storage !== undefined && !isStorage(storage)) {
    misconfigured(
      where,
      `storage is ${describeValue(storage)}`,
      'pass a storage such as new RedisStorage({ url }), one that extends RateLimitStorage, or leave it out for memory',
    );
  }
  checkedFailureMode(onStorageFailure, (problem, remedy) => misconfigured(where, problem, remedy));
  if (instances !== undefined && (!Number.isInteger(instances) || instances < 1 || instances > MOST_INSTANCES)) {
    misconfigured(
      where,
      `instances is ${describeValue(instances)}; expected an integer from 1 to ${MOST_INSTANCES}`,
      'write how many instances share the storage, the most there can be, or leave it out',
    );
  }
  if (body !== 'nest' && body !== 'problem' && typeof body !== 'function') {
    misconfigured(where, `body is ${describeValue(body)}`, `use 'nest', 'problem' or a function of the decision`);
  }
  if (typeof global !== 'boolean') {
    misconfigured(where, `global is ${describeValue(global)}`, 'use true or false');
  }
  if (typeof policies !== 'object' || policies === null || Symbol.iterator in policies) {
    misconfigured(
      where,
      `policies is ${describeValue(policies)}`,
      'pass an object of policies by name, no list and no Map',
    );
  }
  return {
    storage,
    default: options.default,
    policies,
    by: options.by === undefined ? ip() : toSubjectResolver(options.by, `${where} by`),
    skipIf: oncePerRequest(checkedFunction(options.skipIf, 'skipIf', where)),
    onStorageFailure,
    instances,
    overrides: resolveOverrides(options.overrides, where),
    headers: resolveHeadersOptions(options.headers, `${where} headers`),
    body,
    observing: resolveObservingOptions(options, where),
    global,
    where,
  };
}

/** By its methods, not its class: a storage may come from another copy of this package. */
function isStorage(value: unknown): boolean {
  return (
    value instanceof RateLimitStorage ||
    ['consume', 'peek', 'refund', 'reset', 'open', 'close', 'unixMicros'].every(
      (method) => typeof (value as Record<string, unknown> | null)?.[method] === 'function',
    )
  );
}
