import type { Bucket, Charge } from '../../core/charge.js';
import { StorageFailureError } from '../../core/errors.js';
import type { Policy } from '../../core/policy.js';
import type { StorageFailureMode } from '../../core/bucket-shape.js';
import { type MaybePromise, type Owed, RateLimitStorage, type StorageReply } from '../../core/storage.js';
import { MemoryStorage } from '../memory/memory.storage.js';
import { Shares } from './share.js';

/** What happens to limits while their storage cannot be asked. */
export interface OutageOptions {
  /** What limits do that do not say. */
  readonly onStorageFailure: StorageFailureMode;
  /** How many instances share the storage, each of which then gives out its part; 1: each gives out the whole limit. */
  readonly instances: number;
  /** Where the answers of an outage are counted. */
  readonly makeMemory?: () => MemoryStorage;
}

/**
 * A storage that always answers, for one that may be away: each policy says whether its charges are then counted in this
 * process, admitted, or fail. What was counted here is owed to the storage, and carried back to it before the first
 * decision about the bucket once it is back.
 */
export class OutageStorage extends RateLimitStorage {
  private readonly shares: Shares;
  /** What this instance has given out while the storage was away. */
  private readonly local: MemoryStorage;
  /** The part of it of which the storage certainly knows nothing. */
  private readonly owed: MemoryStorage;

  constructor(
    private readonly storage: RateLimitStorage,
    private readonly options: OutageOptions,
  ) {
    super();
    const { instances, makeMemory = () => new MemoryStorage() } = options;
    this.shares = new Shares(instances);
    this.local = makeMemory();
    this.owed = makeMemory();
  }

  override get isAvailable(): boolean {
    // A storage that was written for an earlier version does not say.
    return (this.storage as Partial<RateLimitStorage>).isAvailable ?? true;
  }

  override consume(charges: readonly Charge[]): MaybePromise<StorageReply> {
    if (!this.isAvailable) {
      // Without asking, which would make an error for every request.
      if (this.canDecide(charges)) return this.decide(charges, true);
    } else if (this.owed.size > 0) {
      this.carryBack(charges);
    }
    try {
      const reply = this.storage.consume(charges);
      return reply instanceof Promise ? this.orDecide(reply, charges) : reply;
    } catch (error) {
      return this.afterFailure(error, charges);
    }
  }

  override peek(charges: readonly Charge[]): MaybePromise<StorageReply> {
    return this.storage.peek(charges);
  }

  override refund(charges: readonly Charge[], thenMicros: number): MaybePromise<void> {
    const [first] = charges;
    if (first === undefined || !this.shares.has(first)) return this.storage.refund(charges, thenMicros);
    this.local.refund(charges, thenMicros);
    this.owed.refund(charges, thenMicros);
  }

  override reset(buckets: readonly Bucket[]): MaybePromise<void> {
    this.local.reset(buckets);
    this.owed.reset(buckets);
    return this.storage.reset(buckets);
  }

  override async open(): Promise<void> {
    this.local.open();
    this.owed.open();
    await this.storage.open();
  }

  override async close(): Promise<void> {
    this.local.close();
    this.owed.close();
    await this.storage.close();
  }

  override unixMicros(nowMicros: number): number {
    return this.storage.unixMicros(nowMicros);
  }

  private async orDecide(reply: Promise<StorageReply>, charges: readonly Charge[]): Promise<StorageReply> {
    try {
      return await reply;
    } catch (error) {
      return this.afterFailure(error, charges);
    }
  }

  private afterFailure(error: unknown, charges: readonly Charge[]): StorageReply {
    if (!(error instanceof StorageFailureError) || !this.canDecide(charges)) throw error;
    return this.decide(charges, error.isUncharged);
  }

  private canDecide(charges: readonly Charge[]): boolean {
    return charges.every(({ policy }) => this.modeOf(policy) !== 'deny');
  }

  /** @param isUncharged the storage certainly has not charged and will not. */
  private decide(charges: readonly Charge[], isUncharged: boolean): StorageReply {
    const shares = charges.map((charge) => this.shares.of(charge));
    const isCounted = charges.map(({ policy }) => this.modeOf(policy) === 'local');
    const counted = shares.filter((_, i) => isCounted[i]);
    const reply = this.local.consume(counted);
    if (reply.allowed && isUncharged) this.owed.consume(counted);
    const debts = [...reply.debtUnits];
    return { ...reply, debtUnits: isCounted.map((is) => (is ? debts.shift()! : 0)), madeInstead: shares };
  }

  /** Sent before the decision, so that it counts: what the storage is owed of these buckets, as far as it still is. */
  private carryBack(charges: readonly Charge[]): void {
    const debts: Owed[] = [];
    const owed: Owed[] = [];
    for (const charge of charges) {
      const share = this.shares.of(charge);
      const units = this.owed.peek([share]).debtUnits[0]!;
      const { policy, subject } = charge;
      const debtUnits = Math.min(inUnitsOf(policy, units, share.policy), policy.capacityUnits);
      if (debtUnits === 0) continue;
      debts.push({ policy, subject, debtUnits });
      owed.push({ policy: share.policy, subject, debtUnits: units });
    }
    if (debts.length === 0) return;
    this.owed.reset(debts);
    // Once only: what failed may have been charged, and nobody is charged twice; unless it certainly has not been.
    const afterFailure = (error: unknown): void => {
      if (error instanceof StorageFailureError && error.isUncharged) this.owed.owe(owed);
    };
    try {
      const carried = this.storage.owe(debts);
      if (carried instanceof Promise) carried.catch(afterFailure);
    } catch (error) {
      afterFailure(error);
    }
  }

  private modeOf({ onStorageFailure }: Policy): StorageFailureMode {
    return onStorageFailure ?? this.options.onStorageFailure;
  }
}

/** Debt of a bucket of one policy in units of another, whole ones: the products can pass 2^53. */
function inUnitsOf(policy: Policy, units: number, { refillMicros }: Policy): number {
  return Number((BigInt(units) * BigInt(policy.refillMicros)) / BigInt(refillMicros));
}
