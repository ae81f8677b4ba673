import type { BucketShape, CapacityAndRefill, CapacityPerSeconds } from '../bucket-shape.js';

/** Stands for every subject that has no override of its own, in the place of a subject. */
export const EVERY_SUBJECT: unique symbol = Symbol.for('nestjs-token-bucket:every-subject');

/** Who has an override: a subject as limits spell it, or all of them. */
export type OverriddenSubject = string | typeof EVERY_SUBJECT;

/** What an override or a block may say beside what it does. */
export interface OverrideOptions {
  /** Seconds until it ends by itself. Integer from 1 to 31 622 400 (366 days). Default: it does not. */
  readonly expiresInSeconds?: number | undefined;
  /** For whoever reads the list: at most 200 characters. Clients are not told. Default: none. */
  readonly reason?: string | undefined;
}

/** The numbers in place of those of the policy, all of them; the algorithm stays. */
export type OverrideNumbers = Omit<CapacityPerSeconds, 'algorithm'> | Omit<CapacityAndRefill, 'algorithm'>;

/** Numbers and what may be said beside them. */
export type OverrideDefinition = OverrideNumbers & OverrideOptions;

/** A limit that was changed at run time. */
export type RateLimitOverride = OverrideNumbers & {
  /** The policy's id: its name where it is shared, else its place, a slash and its name. */
  readonly policy: string;
  /** Whose buckets; undefined: those of every subject that has no override of its own. */
  readonly subject: string | undefined;
  readonly reason?: string;
  /** Milliseconds until it ends by itself; missing where it does not. */
  readonly expiresInMs?: number;
};

/** A subject that is refused whatever its limits. */
export interface SubjectBlock {
  readonly subject: string;
  readonly reason?: string;
  /** Milliseconds until it ends by itself; missing where it does not. */
  readonly expiresInMs?: number;
}

/** The numbers that may be overridden, by name. */
export const OVERRIDE_NUMBERS = [
  'capacity',
  'perSeconds',
  'refillTokens',
  'refillSeconds',
  'refillEverySeconds',
] as const satisfies readonly (keyof BucketShape)[];

export const OVERRIDE_OPTIONS: readonly string[] = ['expiresInSeconds', 'reason'];

/** Those numbers of an object, and nothing else of it. */
export function numbersOf(source: object): OverrideNumbers {
  const given = source as Readonly<Record<string, unknown>>;
  const pairs = OVERRIDE_NUMBERS.map((name) => [name, given[name]] as const);
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined)) as unknown as OverrideNumbers;
}
