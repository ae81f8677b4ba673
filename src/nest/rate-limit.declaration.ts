import { BUCKET_SHAPE_KEYS, type BucketShape, type StorageFailureMode } from '../core/bucket-shape.js';
import type { Subject } from './subjects/subject.js';

/** What may be said beside the numbers of a limit. */
export interface LimitOptions {
  /**
   * Name of the limit; default `default`. Same name: the nearer place wins. Another name adds up: giving a name turns
   * "instead of the default" into "as well as the default".
   */
  readonly name?: string;
  /** Who is limited. Default: the module's `by`, which by default is `ip()`. */
  readonly by?: Subject;
  /** Tokens one request takes. Integer from 1 to the capacity. Default: 1. */
  readonly cost?: number;
  /** Shares one bucket between all limits of this id, wherever they are declared. They must agree in name and numbers. */
  readonly id?: string;
  /** Tokens arrive in whole steps every so many seconds instead of evenly. Integer ≥ 1. */
  readonly refillEverySeconds?: number;
  /** What the limit does while the storage cannot be asked. Default: the module's `onStorageFailure`, by default `'local'`. */
  readonly onStorageFailure?: StorageFailureMode;
}

/** The names of {@link LimitOptions}, for checks that find misspelt ones. */
export const LIMIT_OPTION_KEYS: readonly string[] = [
  'name',
  'by',
  'cost',
  'id',
  'refillEverySeconds',
  'onStorageFailure',
];

/** Everything a limit in one object may say. */
export const LIMIT_KEYS: readonly string[] = [...new Set([...BUCKET_SHAPE_KEYS, ...LIMIT_OPTION_KEYS])];

/** A copy that no later change reaches. Known options also by name: an object of a configuration class may have getters. */
export function copyOptions<T extends object>(source: T, known: readonly string[]): T {
  // Untyped code may pass null; the check for unknown options says so.
  if (source === null) return source;
  const named = known.map((key): [string, unknown] => [key, (source as Record<string, unknown>)[key]]);
  return { ...source, ...Object.fromEntries(named.filter(([, value]) => value !== undefined)) };
}

/** A limit in one object: its bucket and its options. */
export type LimitDefinition = BucketShape & LimitOptions;

/** What a route may say when it names a shared policy; everything else is the policy's. */
export interface SharedPolicyUse {
  /** Tokens one request takes here. Integer from 1 to the capacity. Default: the policy's. */
  readonly cost?: number;
}

/** One `@RateLimit(…)` as written: a limit of its own, or the name of a shared policy. */
export type LimitDeclaration =
  | { readonly kind: 'own'; readonly definition: LimitDefinition }
  | { readonly kind: 'shared'; readonly policyName: string; readonly use: SharedPolicyUse };

/** One `@SkipRateLimit(…)` as written: the named limits, or all of them. */
export type SkipDeclaration = readonly string[] | 'all';

/** Metadata keys are texts, not unique symbols: two copies of the package in one process still understand each other. */
export const LIMITS_METADATA = 'nestjs-token-bucket:limits';
export const SKIPS_METADATA = 'nestjs-token-bucket:skips';
