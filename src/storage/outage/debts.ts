import type { Bucket, Charge } from '../../core/charge.js';
import { isStorageFailure } from '../../core/errors.js';
import type { Policy } from '../../core/policy.js';
import { MAX_CAPACITY_UNITS } from '../../core/policy-checks.js';
import type { MaybePromise, Owed, RateLimitStorage } from '../../core/storage.js';
import type { MemoryStorage } from '../memory/memory.storage.js';
import { Carries } from './carries.js';
import type { Shares } from './share.js';

/** What was given out in the place of a storage that certainly knows nothing of it; it is owed until it is carried back. */
export class Debts {
  private readonly carries = new Carries();

  /**
   * @param memory where they are counted, as charges on shares.
   * @param shares made for these charges only, so that receipts tell whether theirs were owed.
   */
  constructor(
    private readonly memory: MemoryStorage,
    readonly shares: Shares,
  ) {}

  get areNone(): boolean {
    return this.memory.size === 0;
  }

  /** @param charges of a decision that has just been made here. */
  add(charges: readonly Charge[]): void {
    this.memory.consume(charges);
  }

  refund(charges: readonly Charge[], thenMicros: number): void {
    // What was carried back is no longer owed: what is owed now are other charges.
    for (const charge of charges) {
      this.carries.refund(charge, thenMicros, () => this.memory.refund([charge], thenMicros));
    }
  }

  forget(buckets: readonly Bucket[]): void {
    this.memory.reset(buckets.map((bucket) => this.shares.bucketOf(bucket)));
  }

  /** Tells the storage what it is owed of the buckets of these charges, as far as it still is; what is asked next counts it. */
  carryBack(charges: readonly Charge[], storage: RateLimitStorage): void {
    for (const charge of charges) {
      const share = this.shares.of(charge);
      const { debtUnits, nowMicros } = this.memory.peek([share]);
      const { policy, subject } = charge;
      const owed: Owed = { policy: share.policy, subject, debtUnits: debtUnits[0]! };
      // More than a bucket holds where some have been promised to those who wait.
      const units = Math.min(inUnitsOf(policy, owed.debtUnits, share.policy), MAX_CAPACITY_UNITS);
      if (units > 0) this.carry(owed, nowMicros, () => storage.owe([{ policy, subject, debtUnits: units }]));
    }
  }

  /** By itself: of a cluster some nodes may be away, and what those have not heard of others have. */
  private carry(owed: Owed, nowMicros: number, tell: () => MaybePromise<void>): void {
    const carry = this.carries.begin(owed, nowMicros);
    this.memory.reset([owed]);
    const afterSuccess = (): void => this.carries.succeeded(carry);
    // Once only: what failed may have been charged, and nobody is charged twice; unless it certainly has not been.
    const afterFailure = (error: unknown): void => {
      if (!isStorageFailure(error) || !error.isUncharged) return afterSuccess();
      this.memory.owe([owed]);
      this.carries.failed(carry);
    };
    try {
      const told = tell();
      if (told instanceof Promise) told.then(afterSuccess, afterFailure);
      else afterSuccess();
    } catch (error) {
      afterFailure(error);
    }
  }

  open(): void {
    this.memory.open();
  }

  close(): void {
    this.memory.close();
  }
}

/** Debt of a bucket of one policy in units of another, whole ones, rounded up: the products can pass 2^53. */
function inUnitsOf(policy: Policy, units: number, { tokenUnits }: Policy): number {
  return Number((BigInt(units) * BigInt(policy.tokenUnits) + BigInt(tokenUnits - 1)) / BigInt(tokenUnits));
}
