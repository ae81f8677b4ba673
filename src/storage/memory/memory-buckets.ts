import type { SlidingWindow } from '../../core/algorithms/sliding-window.js';
import { tickMicros } from '../../core/algorithms/token-bucket.js';
import { mapKey } from '../../core/bucket-key.js';
import type { Bucket } from '../../core/charge.js';
import { ownCopy } from '../../core/own-copy.js';
import type { Policy } from '../../core/policy.js';
import { BucketSlab } from './bucket-slab.js';
import { BucketTables } from './bucket-table.js';

/** Slots looked at when a bucket must go; more would choose better and cost every insertion at the cap. */
const EVICTION_CANDIDATES = 8;
/** Two per new bucket: the sweep then passes all slots within half as many insertions. */
const SLOTS_SWEPT_PER_INSERTION = 2;

/** At most `maxKeys` buckets, found by policy and subject. One that is full is as good as absent, and goes in time. */
export class MemoryBuckets {
  private readonly slab: BucketSlab;
  private readonly tables = new BucketTables();
  private cursor = 0;

  constructor(private readonly maxKeys: number) {
    this.slab = new BucketSlab(maxKeys);
  }

  get size(): number {
    return this.slab.size;
  }

  /** The slot of the bucket, valid until the next insertion, removal or sweep; `undefined`: it is absent, so full. */
  find(policy: Policy, subject: string): number | undefined {
    return this.tables.find(policy)?.slots.get(mapKey(subject));
  }

  /** Debt in units of the bucket that {@link find} answered. */
  debtUnits(slot: number | undefined, policy: Policy, nowMicros: number): number {
    return slot === undefined ? 0 : this.slab.debtUnits(slot, policy, tickMicros(policy, nowMicros));
  }

  /** Sets the debt of the bucket that {@link find} answered; one that is absent is added, at the cap in place of another. */
  put(slot: number | undefined, bucket: Bucket, nowMicros: number, debt: number): void {
    const { policy } = bucket;
    this.slab.write(slot ?? this.insert(bucket, nowMicros), policy, tickMicros(policy, nowMicros), debt);
  }

  /** The sliding window of the bucket that {@link find} answered; `undefined`: it is absent, so full. */
  window(slot: number | undefined): SlidingWindow | undefined {
    return slot === undefined ? undefined : this.slab.window(slot);
  }

  /** Keeps a window that was changed, as {@link put} keeps a debt. */
  putWindow(slot: number | undefined, bucket: Bucket, nowMicros: number, window: SlidingWindow): void {
    this.slab.writeWindow(slot ?? this.insert(bucket, nowMicros), bucket.policy, window);
  }

  remove(slot: number): void {
    this.tables.dropIfEmpty(this.slab.remove(slot));
  }

  /** Removes the full ones among the next few slots. */
  sweep(nowMicros: number, slots: number): void {
    const { slab } = this;
    for (let looked = 0; looked < slots && slab.size > 0; looked++) {
      if (this.cursor >= slab.size) this.cursor = 0;
      // The last bucket moves into a slot that becomes free, so the cursor stays to look at it too.
      if (slab.fullAtMicros(this.cursor) <= nowMicros) this.remove(this.cursor);
      else this.cursor++;
    }
  }

  /** Gives memory back that is no longer used. */
  shrink(): void {
    this.slab.shrink();
  }

  private insert({ policy, subject }: Bucket, nowMicros: number): number {
    if (this.slab.size < this.maxKeys) this.sweep(nowMicros, SLOTS_SWEPT_PER_INSERTION);
    else this.evictOne();
    return this.slab.add(this.tables.findOrAdd(policy), ownCopy(mapKey(subject)));
  }

  /**
   * The bucket that is full soonest goes: with it nothing is forgotten if it is full already, else its debt, which is
   * all that its subject gains. The candidates lie far apart, because buckets that came together are much alike: a
   * band of abusers must not be all there is to choose from.
   */
  private evictOne(): void {
    const { slab } = this;
    const apart = Math.max(1, Math.floor(slab.size / EVICTION_CANDIDATES));
    let victim = 0;
    let victimFullAt = Infinity;
    for (let i = 0; i < EVICTION_CANDIDATES; i++) {
      const slot = (this.cursor + i * apart) % slab.size;
      const fullAt = slab.fullAtMicros(slot);
      if (fullAt >= victimFullAt) continue;
      victim = slot;
      victimFullAt = fullAt;
    }
    this.cursor = (this.cursor + 1) % slab.size;
    this.remove(victim);
  }
}
