import type { ExecutionContext } from '@nestjs/common';
import type { Algorithm } from '../core/algorithm.js';
import { BUCKET_SHAPE_KEYS, type BucketShape, type QuotaUnit, type StorageFailureMode } from '../core/bucket-shape.js';
import type { MaybePromise } from '../core/storage.js';
import type { Subject } from './subjects/subject.js';

/** Tokens that one request takes, found when it comes. Integer ≥ 1; more than the capacity is refused for good. */
export type CostFunction = (context: ExecutionContext) => MaybePromise<number>;

/** Whether a request is let through without asking a limit, which then charges nothing. */
export interface SkipFunction {
  (context: ExecutionContext): MaybePromise<boolean>;
  /** Whether the client's address decides, so that it matters which proxies are trusted; `fromAddresses` says so. */
  readonly usesAddress?: boolean | undefined;
  /** As written in code, for messages. */
  readonly description?: string | undefined;
}

/** How a request ended. */
export interface RequestOutcome {
  /** Status of the answer: that of the error if there was one, as Nest's own filter would set it. */
  readonly status: number;
  /** What the handler returned; of a stream the last value. */
  readonly result: unknown;
  /** What the handler, or a guard or interceptor behind ours, threw. `undefined` also where a guard refused. */
  readonly error: unknown;
}

/** What a request costs once its outcome is known. Until then it has paid its `cost`, so that parallel ones cannot slip past. */
export interface SettleRules {
  /** Gives the cost back where it answers `true`: counts only failures, or only successes. */
  readonly refundIf?: ((outcome: RequestOutcome, context: ExecutionContext) => MaybePromise<boolean>) | undefined;
  /**
   * Tokens that the request really cost, integer ≥ 0. Less than charged is given back, as far as it has not refilled since;
   * more is owed, so that the bucket holds less than nothing, at most by `maxDebt`.
   */
  readonly settle?: ((outcome: RequestOutcome, context: ExecutionContext) => MaybePromise<number>) | undefined;
}

/** What may be said beside the numbers of a limit. */
export interface LimitOptions extends SettleRules {
  /**
   * Name of the limit; default `default`. Same name: the nearer place wins. Another name adds up: giving a name turns
   * "instead of the default" into "as well as the default".
   */
  readonly name?: string;
  /** Who is limited. Default: the module's `by`, which by default is `ip()`. */
  readonly by?: Subject;
  /** Tokens one request takes: an integer from 1 to the capacity, or a function of the execution context. Default: 1. */
  readonly cost?: number | CostFunction;
  /** Lifts the limit from the requests for which it answers `true`. Asked before authentication where the subject is known then. */
  readonly skipIf?: SkipFunction;
  /**
   * What happens to a request that finds no tokens: it is refused (`'deny'`), or it waits for them, first come, first served
   * (`'wait'`), and is refused only when the line is longer than `maxWaitMs`. Default: `'deny'`.
   */
  readonly onExceeded?: 'deny' | 'wait';
  /** The longest that a request waits, in milliseconds, more than 0. Needed with `onExceeded: 'wait'`, and only there. */
  readonly maxWaitMs?: number;
  /** What a client is told that this limit refuses, in front of how long to wait. Default: `Rate limit exceeded.` */
  readonly message?: string;
  /** What a token stands for, which RateLimit-Policy tells clients where it is not a request. Default: `'requests'`. */
  readonly quotaUnit?: QuotaUnit;
  /** Shares one bucket between all limits of this id, wherever they are declared. They must agree in name, numbers and what they do. */
  readonly id?: string;
  /** Tokens arrive in whole steps every so many seconds instead of evenly. Integer ≥ 1. */
  readonly refillEverySeconds?: number;
  /** How the limit counts. Default: `'token-bucket'`. */
  readonly algorithm?: Algorithm;
  /** Tokens that a bucket may owe beyond its capacity after requests that `settle` found dearer. Integer ≥ 0. Default: 0. */
  readonly maxDebt?: number;
  /** What the limit does while the storage cannot be asked. Default: the module's `onStorageFailure`, by default `'local'`. */
  readonly onStorageFailure?: StorageFailureMode;
}

/** One of several limits that are checked together. */
export type GroupMember = BucketShape & {
  /** What tells it from the others; its policy is called `<limit>.<name>`. Default: after its period, such as `minute` or `5-minutes`. */
  readonly name?: string;
  /** What a client is told that it refuses. Default: that of the whole limit. */
  readonly message?: string;
};

/** Numbers of a limit: one bucket, a limit string (`'10/second; 1000/hour'`) or a list. All of several must admit a request. */
export type Limits = BucketShape | string | readonly GroupMember[];

/** Numbers of a limit that a request decides about; `'unlimited'` asks nothing of it. */
export type LimitFunction = (context: ExecutionContext) => MaybePromise<Limits>;

/** Several limits, all of which must admit a request; a denial by one takes nothing from the others. */
export interface GroupShape {
  readonly limits: string | readonly GroupMember[];
}

/**
 * Numbers that depend on the request, all for one bucket: new numbers apply at once to what the bucket owes. Of sliding
 * windows each length has a bucket of its own.
 */
export interface FunctionShape {
  readonly limits: LimitFunction;
}

/** Numbers by tier. Each tier has buckets of its own, so that an upgrade is felt at once. */
export interface TiersShape {
  /** Each tier's limits by its name; `'unlimited'` for none. */
  readonly tiers: Readonly<Record<string, Limits>>;
  /** The tier of a request: a name of the table. */
  readonly tier: (context: ExecutionContext) => MaybePromise<string>;
}

/** A limit in one object: its numbers and its options. */
export type LimitDefinition = (BucketShape | GroupShape | FunctionShape | TiersShape) & LimitOptions;

/** A shared policy. Its name is its key. */
export type SharedPolicyDefinition = (BucketShape | GroupShape | FunctionShape | TiersShape) &
  Omit<LimitOptions, 'name' | 'id'> & {
    /** Charged by code only (`RateLimiter.consume`), so that no route has to name it. Default: false. */
    readonly usedInCode?: boolean;
  };

/** What a route may say when it names a shared policy; everything else is the policy's. */
export interface SharedPolicyUse extends SettleRules {
  /** Tokens one request takes here: an integer from 1 to the capacity, or a function. Default: the policy's. */
  readonly cost?: number | CostFunction;
  /** Lifts the policy from requests to this route, as well as what the policy itself says. */
  readonly skipIf?: SkipFunction;
}

/** The names of {@link LimitOptions}, for checks that find misspelt ones. */
export const LIMIT_OPTION_KEYS: readonly string[] = [
  'name',
  'by',
  'cost',
  'skipIf',
  'refundIf',
  'settle',
  'maxDebt',
  'onExceeded',
  'maxWaitMs',
  'message',
  'quotaUnit',
  'id',
  'algorithm',
  'refillEverySeconds',
  'onStorageFailure',
];

/** Options that stand for the numbers of a limit; exactly one way of saying them is used. */
export const NUMBERS_KEYS: readonly string[] = [...BUCKET_SHAPE_KEYS, 'limits', 'tiers', 'tier'];

/** Everything a limit in one object may say. */
export const LIMIT_KEYS: readonly string[] = [...new Set([...NUMBERS_KEYS, ...LIMIT_OPTION_KEYS])];

export const GROUP_MEMBER_KEYS: readonly string[] = [...BUCKET_SHAPE_KEYS, 'name', 'message'];

export const SHARED_POLICY_KEYS: readonly string[] = [
  ...LIMIT_KEYS.filter((key) => key !== 'name' && key !== 'id'),
  'usedInCode',
];

export const SHARED_POLICY_USE_KEYS: readonly string[] = ['cost', 'skipIf', 'refundIf', 'settle'];

/** A copy that no later change reaches. Known options also by name: an object of a configuration class may have getters. */
export function copyOptions<T extends object>(source: T, known: readonly string[]): T {
  // Untyped code may pass null; the check for unknown options says so.
  if (source === null) return source;
  const named = known.map((key): [string, unknown] => [key, (source as Record<string, unknown>)[key]]);
  return { ...source, ...Object.fromEntries(named.filter(([, value]) => value !== undefined)) };
}

/** A limit that may be written as its numbers alone, in one object. */
export function toDefinition<T extends object>(limit: T | string | readonly GroupMember[] | LimitFunction): T {
  return typeof limit === 'string' || typeof limit === 'function' || Array.isArray(limit)
    ? ({ limits: limit } as unknown as T)
    : (limit as T);
}
