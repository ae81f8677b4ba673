import type { Bucket, Charge } from '../../core/charge.js';
import { isStorageFailure } from '../../core/errors.js';
import type { Policy } from '../../core/policy.js';
import type { StorageFailureMode } from '../../core/bucket-shape.js';
import type { OverrideStore } from '../../core/overrides/override-store.js';
import { type MaybePromise, type Owed, RateLimitStorage, type StorageReply } from '../../core/storage.js';
import { MemoryStorage } from '../memory/memory.storage.js';
import { Debts } from './debts.js';
import { Shares } from './share.js';

/** Questions that this process can answer in the place of the storage. */
type Asking = 'consume' | 'peek';

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
 * process, admitted, or fail. What was counted here is owed to the storage, and carried back to it before it is first
 * asked about the bucket once it is back.
 */
export class OutageStorage extends RateLimitStorage {
  /** What this instance has given out while the storage was away. */
  private readonly local: MemoryStorage;
  /** The part of it of which the storage certainly knows nothing. */
  private readonly debts: Debts;
  /** Of the rest, of which it is unknown whether the storage has it. */
  private readonly otherShares: Shares;

  constructor(
    private readonly storage: RateLimitStorage,
    private readonly options: OutageOptions,
  ) {
    super();
    const { instances, makeMemory = () => new MemoryStorage() } = options;
    this.local = makeMemory();
    this.debts = new Debts(makeMemory(), new Shares(instances));
    this.otherShares = new Shares(instances);
  }

  override get isAvailable(): boolean {
    // A storage that was written for an earlier version does not say.
    return (this.storage as Partial<RateLimitStorage>).isAvailable ?? true;
  }

  override get overrideStore(): OverrideStore | undefined {
    return this.storage.overrideStore;
  }

  override consume(charges: readonly Charge[]): MaybePromise<StorageReply> {
    return this.ask('consume', charges);
  }

  override peek(charges: readonly Charge[]): MaybePromise<StorageReply> {
    return this.ask('peek', charges);
  }

  override refund(charges: readonly Charge[], thenMicros: number): MaybePromise<void> {
    const [first] = charges;
    const wasOwed = first !== undefined && this.debts.shares.has(first);
    if (first === undefined || !(wasOwed || this.otherShares.has(first))) {
      return this.storage.refund(charges, thenMicros);
    }
    this.local.refund(charges, thenMicros);
    if (wasOwed) this.debts.refund(charges, thenMicros);
  }

  override grant(charges: readonly Charge[]): MaybePromise<void> {
    return this.storage.grant(charges);
  }

  override cancel(charge: Charge, reply: StorageReply): MaybePromise<boolean> {
    const wasOwed = this.debts.shares.has(charge);
    if (wasOwed || this.otherShares.has(charge)) {
      const isCancelled = this.local.cancel(charge, reply);
      if (wasOwed && isCancelled) this.debts.refund([charge], reply.nowMicros);
      return isCancelled;
    }
    // One that was written for an earlier version cannot.
    return (this.storage as Partial<RateLimitStorage>).cancel?.(charge, reply) ?? false;
  }

  override reset(buckets: readonly Bucket[]): MaybePromise<void> {
    this.local.reset(buckets.map((bucket) => this.otherShares.bucketOf(bucket)));
    this.debts.forget(buckets);
    return this.storage.reset(buckets);
  }

  /** What an overrun of an outage owes stays here, like the charges that it was part of. */
  override owe(debts: readonly Owed[]): MaybePromise<void> {
    const areLocal = debts.some((debt) => this.debts.shares.has(debt) || this.otherShares.has(debt));
    return areLocal ? this.local.owe(debts) : this.storage.owe(debts);
  }

  override async open(): Promise<void> {
    await this.storage.open();
    this.local.open();
    this.debts.open();
  }

  override async close(): Promise<void> {
    this.local.close();
    this.debts.close();
    await this.storage.close();
  }

  override unixMicros(nowMicros: number): number {
    return this.storage.unixMicros(nowMicros);
  }

  private ask(question: Asking, charges: readonly Charge[]): MaybePromise<StorageReply> {
    if (!this.isAvailable) {
      // Without asking, which would make an error for every request.
      if (this.canDecide(charges)) return this.decide(question, charges, true);
    } else if (!this.debts.areNone) {
      this.debts.carryBack(charges, this.storage);
    }
    try {
      const reply = this.storage[question](charges);
      return reply instanceof Promise ? this.orDecide(question, reply, charges) : reply;
    } catch (error) {
      return this.afterFailure(question, error, charges);
    }
  }

  private async orDecide(
    question: Asking,
    reply: Promise<StorageReply>,
    charges: readonly Charge[],
  ): Promise<StorageReply> {
    try {
      return await reply;
    } catch (error) {
      return this.afterFailure(question, error, charges);
    }
  }

  private afterFailure(question: Asking, error: unknown, charges: readonly Charge[]): StorageReply {
    if (!isStorageFailure(error) || !this.canDecide(charges)) throw error;
    return this.decide(question, charges, error.isUncharged);
  }

  private canDecide(charges: readonly Charge[]): boolean {
    return charges.every(({ policy }) => this.modeOf(policy) !== 'deny');
  }

  /** @param isUncharged the storage certainly has not charged and will not. */
  private decide(question: Asking, charges: readonly Charge[], isUncharged: boolean): StorageReply {
    const kind = isUncharged ? this.debts.shares : this.otherShares;
    const shares = charges.map((charge) => kind.of(charge));
    const isCounted = charges.map(({ policy }) => this.modeOf(policy) === 'local');
    const counted = shares.filter((_, i) => isCounted[i]);
    const reply = this.local[question](counted);
    if (question === 'consume' && reply.allowed && isUncharged) this.debts.add(counted);
    const debts = [...reply.debtUnits];
    return {
      ...reply,
      debtUnits: isCounted.map((is) => (is ? debts.shift()! : 0)),
      madeInstead: shares,
      unixMicros: this.local.unixMicros(reply.nowMicros),
    };
  }

  private modeOf({ onStorageFailure }: Policy): StorageFailureMode {
    return onStorageFailure ?? this.options.onStorageFailure;
  }
}
