import { describeValue, misconfigured } from '../../core/errors.js';
import { checkOptions } from '../../core/options.js';
import { checkedPartitionKey, type PartitionKeyOptions } from '../partition-key.js';

/** How the X-RateLimit-* fields are spelled. */
export interface LegacyHeadersOptions {
  /** X-RateLimit-Reset as Unix time (`'epoch'`) or as seconds from now (`'delta'`), whole and rounded up. Default: `'epoch'`. */
  readonly reset?: 'epoch' | 'delta';
  /** Adds X-RateLimit-Policy: quota, seconds and name of the policy that the other fields speak of. Default: false. */
  readonly policy?: boolean;
}

/** Which header fields answers carry. */
export interface HeadersOptions {
  /**
   * RateLimit and RateLimit-Policy in the form of draft-ietf-httpapi-ratelimit-headers-11, which is work in progress.
   * `'draft-8'` is the same on the wire. Default: `'draft-11'`.
   */
  readonly standard?: 'draft-11' | 'draft-8' | false;
  /**
   * Adds `pk` to RateLimit and RateLimit-Policy: which bucket they speak of, as a hash that does not tell whose it is.
   * For clients that are limited as several, such as by user and by key. The `secret`, the same in all instances, is at
   * least 16 characters that nobody can guess: who knows it can check a guess at a subject. Default: false.
   */
  readonly partitionKey?: { readonly secret: string } | false;
  /** X-RateLimit-Limit, -Remaining and -Reset of the most restrictive policy. Default: true. */
  readonly legacy?: boolean | LegacyHeadersOptions;
  /** Retry-After on refusals: whole seconds, rounded up, at least 1. Default: true. */
  readonly retryAfter?: boolean;
  /**
   * Adds a random number of seconds, from 0 to this one, to every instant that a refusal (429, 503) names: Retry-After, `t`,
   * X-RateLimit-Reset and the sentence of the body, to all the same. For buckets that many clients share: told one instant,
   * they all come back at it. Half the seconds that it takes to serve those who wait are enough. Integer from 0 to 3600.
   * Default: 0.
   */
  readonly retryJitterSeconds?: number;
  /**
   * Who writes the fields of an admitted request. `'guard'` mounts no interceptor, which is faster and also covers
   * requests that a later guard refuses; limits that are charged after authentication then cannot be used.
   * Default: `'interceptor'`.
   */
  readonly writtenBy?: 'interceptor' | 'guard';
}

/** {@link HeadersOptions}, checked and with the defaults filled in. */
export interface ResolvedHeadersOptions {
  readonly standard: 'draft-11' | false;
  readonly partitionKey: PartitionKeyOptions | false;
  readonly legacy: Required<LegacyHeadersOptions> | false;
  readonly retryAfter: boolean;
  readonly retryJitterSeconds: number;
  readonly writtenBy: 'interceptor' | 'guard';
}

/** An hour: who is told to wait for longer without need will not come back. */
const MOST_JITTER_SECONDS = 3600;

/**
 * @param where the place to name in messages, for example `RateLimitModule.forRoot headers`.
 * @throws RateLimitConfigurationError for a misspelt option or a value that means nothing.
 */
export function resolveHeadersOptions(options: HeadersOptions | undefined, where: string): ResolvedHeadersOptions {
  const given = (options === undefined ? {} : options) as Given;
  checkOptions(given, ['standard', 'legacy', 'retryAfter', 'retryJitterSeconds', 'writtenBy', 'partitionKey'], where);
  const standard = oneOf(given, 'standard', ['draft-11', 'draft-8', false], 'draft-11', where);
  const partitionKey = checkedPartitionKey(given['partitionKey'], where);
  if (partitionKey !== false && standard === false) {
    misconfigured(where, 'partitionKey stands beside standard: false, and no other field has it', 'remove one of them');
  }
  return {
    partitionKey,
    standard: standard === 'draft-8' ? 'draft-11' : standard,
    legacy: resolveLegacy(given['legacy'], where),
    retryAfter: oneOf(given, 'retryAfter', [true, false], true, where),
    retryJitterSeconds: checkedJitter(given['retryJitterSeconds'], where),
    writtenBy: oneOf(given, 'writtenBy', ['interceptor', 'guard'], 'interceptor', where),
  };
}

function checkedJitter(seconds: unknown = 0, where: string): number {
  if (Number.isInteger(seconds) && (seconds as number) >= 0 && (seconds as number) <= MOST_JITTER_SECONDS) {
    return seconds as number;
  }
  return misconfigured(
    where,
    `retryJitterSeconds is ${describeValue(seconds)}; expected an integer from 0 to ${MOST_JITTER_SECONDS}`,
    'write half the seconds that it takes to serve all who wait for one bucket, or leave it out',
  );
}

function resolveLegacy(legacy: unknown, where: string): Required<LegacyHeadersOptions> | false {
  if (legacy === false) return false;
  if (legacy !== undefined && legacy !== true && typeof legacy !== 'object') {
    misconfigured(where, `legacy is ${describeValue(legacy)}`, 'use true, false or { reset, policy }');
  }
  const at = `${where}.legacy`;
  const given = (typeof legacy === 'object' ? legacy : {}) as Given;
  checkOptions(given, ['reset', 'policy'], at);
  return {
    reset: oneOf(given, 'reset', ['epoch', 'delta'], 'epoch', at),
    policy: oneOf(given, 'policy', [true, false], false, at),
  };
}

type Given = Readonly<Record<string, unknown>>;

function oneOf<const T>(given: Given, option: string, allowed: readonly T[], fallback: T, where: string): T {
  const value = given[option];
  if (value === undefined) return fallback;
  if (!allowed.includes(value as T)) {
    misconfigured(where, `${option} is ${describeValue(value)}`, `use one of ${allowed.map(describeValue).join(', ')}`);
  }
  return value as T;
}
