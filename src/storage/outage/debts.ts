import type { Bucket, Charge } from '../../core/charge.js';
import { isStorageFailure } from '../../core/errors.js';
import type { Policy } from '../../core/policy.js';
import { MAX_CAPACITY_UNITS } from '../../core/policy-checks.js';
import type { Owed, RateLimitStorage } from '../../core/storage.js';
import type { MemoryStorage } from '../memory/memory.storage.js';
import type { Shares } from './share.js';

/** What was given out in the place of a storage that certainly knows nothing of it; it is owed until it is carried back. */
export class Debts {
  private hasCarried = false;
  /** The instant, by the clock of this process, since which nothing of what was given out has been carried back. */
  private sinceMicros = -Infinity;

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
  add(charges: readonly Charge[], nowMicros: number): void {
    if (this.hasCarried) {
      this.hasCarried = false;
      this.sinceMicros = nowMicros;
    }
    this.memory.consume(charges);
  }

  refund(charges: readonly Charge[], thenMicros: number): void {
    // What was carried back is no longer owed: what is owed now are other charges.
    if (thenMicros >= this.sinceMicros) this.memory.refund(charges, thenMicros);
  }

  forget(buckets: readonly Bucket[]): void {
    this.memory.reset(buckets.map((bucket) => this.shares.bucketOf(bucket)));
  }

  /** Tells the storage what it is owed of the buckets of these charges, as far as it still is; what is asked next counts it. */
  carryBack(charges: readonly Charge[], storage: RateLimitStorage): void {
    const debts: Owed[] = [];
    const owed: Owed[] = [];
    for (const charge of charges) {
      const share = this.shares.of(charge);
      const units = this.memory.peek([share]).debtUnits[0]!;
      const { policy, subject } = charge;
      // More than a bucket holds where some have been promised to those who wait.
      const debtUnits = Math.min(inUnitsOf(policy, units, share.policy), MAX_CAPACITY_UNITS);
      if (debtUnits === 0) continue;
      debts.push({ policy, subject, debtUnits });
      owed.push({ policy: share.policy, subject, debtUnits: units });
    }
    if (debts.length === 0) return;
    this.hasCarried = true;
    this.memory.reset(owed);
    // Once only: what failed may have been charged, and nobody is charged twice; unless it certainly has not been.
    const afterFailure = (error: unknown): void => {
      if (isStorageFailure(error) && error.isUncharged) this.memory.owe(owed);
    };
    try {
      const carried = storage.owe(debts);
      if (carried instanceof Promise) carried.catch(afterFailure);
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
