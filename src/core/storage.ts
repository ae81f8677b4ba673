import type { Bucket, Charge } from './charge.js';
import type { Instants } from './instants.js';
import type { OverrideStore } from './overrides/override-store.js';
import type { Policy } from './policy.js';

/** Synchronous where it can be: memory answers at once, Redis with a promise. */
export type MaybePromise<T> = T | Promise<T>;

/** What a storage found: enough to derive every number of a decision, by one clock. */
export interface StorageReply {
  /** Whether every charge was (or, for a peek, would be) admitted. */
  readonly allowed: boolean;
  /** The storage's time of the answer: integer µs since 1970. */
  readonly nowMicros: number;
  /**
   * Debt of each bucket in units, in the order of the charges: after the charge if it was taken, else as it stands. A
   * token has `policy.tokenUnits`; but for sliding windows `policy.refillTokens` of them drain every microsecond.
   */
  readonly debtUnits: readonly number[];
  /** Set where a charge is on a sliding window: for each of those, in the order of the charges, when its debt will be less. */
  readonly instants?: readonly (Instants | undefined)[];
  /** Set where servers with clocks of their own answered: the time of each charge, by the clock that it was taken by. */
  readonly nowMicrosEach?: readonly number[];
  /** Set where the answer was found without the storage: the charges that were made in place of those asked. */
  readonly madeInstead?: readonly Charge[];
  /** Set beside it, because then it is not the storage's clock that `nowMicros` is of: the Unix time in integer µs. */
  readonly unixMicros?: number;
}

/** What is told where nothing is left of a policy, whatever its bucket holds: a subject is blocked, or a line is full. */
export function emptyReply({ capacityUnits }: Policy, nowMicros: number, until: Instants): StorageReply {
  return { allowed: false, nowMicros, debtUnits: [capacityUnits], instants: [until] };
}

/** Debt that a bucket has beside what the storage knows of. */
export interface Owed extends Bucket {
  /** Units of debt, as in {@link StorageReply.debtUnits}. Integer ≥ 1. */
  readonly debtUnits: number;
  /** The bucket is not made to owe more than this many units; what it owes already is never lowered. Default: no bound. */
  readonly mostUnits?: number;
}

/** The debt in units of a bucket that owed so many before, with what it owes besides. */
export function debtWith({ debtUnits, mostUnits = Infinity }: Owed, beforeUnits: number): number {
  return Math.max(beforeUnits, Math.min(beforeUnits + debtUnits, mostUnits));
}

/**
 * Keeps buckets and answers one atomic question about all charges of a request. Charges that reach a storage are
 * checked and no two are on one bucket. Time is the storage's own; time of the caller is never an input.
 *
 * An abstract class, so that one word is the type and the injection token. Constructors do no I/O.
 */
export abstract class RateLimitStorage {
  /** All charges or none: a denial changes no state of a bucket, byte for byte. */
  abstract consume(charges: readonly Charge[]): MaybePromise<StorageReply>;

  /** The answer that {@link consume} would give now, without taking anything. */
  abstract peek(charges: readonly Charge[]): MaybePromise<StorageReply>;

  /** Gives back what is left of charges taken at `thenMicros`, decayed so that the bound of the policy holds. */
  abstract refund(charges: readonly Charge[], thenMicros: number): MaybePromise<void>;

  /**
   * Gives each bucket as many tokens at once as its charge costs, until it is full and no further; a sliding window counts
   * so many less.
   */
  abstract grant(charges: readonly Charge[]): MaybePromise<void>;

  /**
   * Takes back the charge that `reply` allowed, as a whole, if its bucket has not been charged since. Whoever was charged
   * later may have been promised a time that counts on it, so then nothing changes. Answers whether it was taken back.
   * Default: nothing.
   */
  cancel(_charge: Charge, _reply: StorageReply): MaybePromise<boolean> {
    return false;
  }

  /** Makes the buckets full. Questions about a bucket that are asked later find it so, even before this is answered. */
  abstract reset(buckets: readonly Bucket[]): MaybePromise<void>;

  /**
   * Adds debt to buckets, whatever they hold: charges that were admitted elsewhere while the storage was away. Questions
   * asked later count it. Default: nothing, so that what was given out in an outage is forgotten.
   */
  owe(_debts: readonly Owed[]): MaybePromise<void> {}

  /** Whether it makes sense to ask now; false only where a question would certainly fail, at once. */
  get isAvailable(): boolean {
    return true;
  }

  /** Where what is decided at run time is kept for all processes. Default: undefined, nowhere. */
  get overrideStore(): OverrideStore | undefined {
    return undefined;
  }

  /** Prepares for questions. Each open is matched by one close; after the last close it can be opened again. */
  open(): MaybePromise<void> {}

  /** Lets go of what {@link open} took, and of nothing that was handed in. */
  close(): MaybePromise<void> {}

  /** The Unix time, in integer µs, of an instant of this storage's clock. */
  unixMicros(nowMicros: number): number {
    return nowMicros;
  }
}
