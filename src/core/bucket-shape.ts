import type { Algorithm } from './algorithm.js';

/** Tokens and the time in which an empty bucket becomes full again. */
export interface CapacityPerSeconds {
  /** Tokens a full bucket holds: the largest burst. Integer ≥ 1. */
  readonly capacity: number;
  /** Seconds to refill from empty to full. Integer from 1 to 31 622 400 (366 days). */
  readonly perSeconds: number;
  readonly refillTokens?: undefined;
  readonly refillSeconds?: undefined;
  /**
   * Tokens arrive in whole steps every so many seconds instead of evenly. Integer ≥ 1; each step must bring whole tokens.
   * Of a token bucket only.
   */
  readonly refillEverySeconds?: number;
  /**
   * How the limit counts. Default: `'token-bucket'`. With `'leaky-bucket'` there is no burst, and with
   * `'sliding-window-log'` the capacity is at most 10 000. Another algorithm is another bucket.
   */
  readonly algorithm?: Algorithm;
}

/** Tokens and a refill that is stated on its own: `refillTokens` more every `refillSeconds`, evenly. */
export interface CapacityAndRefill {
  /** Tokens a full bucket holds: the largest burst. Integer ≥ 1. */
  readonly capacity: number;
  /** Tokens that arrive in `refillSeconds`. Integer ≥ 1. */
  readonly refillTokens: number;
  /** Seconds in which `refillTokens` arrive. Integer from 1 to 31 622 400 (366 days). */
  readonly refillSeconds: number;
  readonly perSeconds?: undefined;
  /** Tokens arrive in whole steps every so many seconds instead of evenly. Integer ≥ 1; each step must bring whole tokens. */
  readonly refillEverySeconds?: number;
  /** The other algorithms take `perSeconds`. */
  readonly algorithm?: 'token-bucket';
}

/** What a bucket holds and how it refills. */
export type BucketShape = CapacityPerSeconds | CapacityAndRefill;

/**
 * What a limit does while the storage cannot be asked: it is counted in this process (`'local'`), it admits everything
 * (`'allow'`), or requests fail with 503 (`'deny'`).
 */
export type StorageFailureMode = 'local' | 'allow' | 'deny';

/** What the tokens of a limit stand for, as clients are told of it. */
export type QuotaUnit = 'requests' | 'content-bytes';

/** What a policy is made from: the shape of its buckets, its name and the place it is declared at. */
export type PolicyDefinition = BucketShape & {
  /** A letter, then up to 63 letters, digits, `_`, `.` or `-`. Default: `default`. */
  readonly name?: string;
  /** Where the policy is declared; with name and subject it identifies a bucket. Default: `''`, the application itself. */
  readonly place?: string;
  /** What the limit does while the storage cannot be asked. Default: what the module says, by default `'local'`. */
  readonly onStorageFailure?: StorageFailureMode;
  /**
   * Tokens that a bucket may owe beyond its capacity when a request turns out to cost more than it was charged. Integer ≥ 0.
   * Default: 0, so that such an overrun empties the bucket and no more.
   */
  readonly maxDebt?: number;
  /** What clients are told that it refuses, in front of how long to wait. Default: `Rate limit exceeded.` */
  readonly message?: string;
  /**
   * What a token stands for, which RateLimit-Policy tells where it is not a request. It changes no arithmetic: that the cost
   * counts bytes says the limit's `cost` or `settle`. Default: `'requests'`.
   */
  readonly quotaUnit?: QuotaUnit;
};

/** The option names that describe a bucket, for callers that check for misspelt ones. */
export const BUCKET_SHAPE_KEYS: readonly string[] = [
  'capacity',
  'perSeconds',
  'refillTokens',
  'refillSeconds',
  'refillEverySeconds',
  'algorithm',
];

/** The option names of {@link PolicyDefinition}. */
export const POLICY_KEYS: readonly string[] = [
  ...BUCKET_SHAPE_KEYS,
  'name',
  'place',
  'onStorageFailure',
  'maxDebt',
  'message',
  'quotaUnit',
];

/** The name of a limit that was given none. */
export const DEFAULT_POLICY_NAME = 'default';
