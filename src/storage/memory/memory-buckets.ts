import { mapKey } from '../../core/bucket-key.js';
import type { Policy } from '../../core/policy.js';
import { BucketSlab } from './bucket-slab.js';
import { BucketTables } from './bucket-table.js';
import { ownCopy } from './own-copy.js';

/** Slots looked at when a bucket must go; more would choose better and cost every insertion at the cap. */
const EVICTION_CANDIDATES = 8;
/** Two a new bucket: the sweep then passes all slots in half as many insertions as there are buckets. */
const SLOTS_SWEPT_PER_INSERTION = 2;

/** At most `maxKeys` buckets that are not full, found by policy and subject. A full bucket is as good as absent. */
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

  /** The slot of the bucket, valid until the next insertion, removal or sweep. */
  find(policy: Policy, subject: string): number | undefined {
    return this.tables.find(policy)?.slots.get(mapKey(subject));
  }

  /** Debt in units of the bucket in a slot; an absent one is full. */
  debtUnits(slot: number | undefined, policy: Policy, tick: number): number {
    return slot === undefined ? 0 : this.slab.debtUnits(slot, policy, tick);
  }

  write(slot: number, policy: Policy, tick: number, debt: number): void {
    this.slab.write(slot, policy, tick, debt);
  }

  /** Adds a bucket that is absent. At the cap another one goes for it. */
  insert(policy: Policy, subject: string, tick: number, debt: number, nowMicros: number): void {
    if (this.slab.size < this.maxKeys) this.sweep(nowMicros, SLOTS_SWEPT_PER_INSERTION);
    else this.evictOne(nowMicros);
    const slot = this.slab.add(this.tables.findOrAdd(policy), ownCopy(mapKey(subject)));
    this.slab.write(slot, policy, tick, debt);
  }

  remove(slot: number): void {
    this.tables.dropIfEmpty(this.slab.remove(slot));
  }

  /** Removes the full ones among the next few slots. */
  sweep(nowMicros: number, slots: number): void {
    const { slab } = this;
    for (let looked = 0; looked < slots && slab.size > 0; looked++) {
      if (this.cursor >= slab.size) this.cursor = 0;
      // The last bucket moves into a slot that is cleared, so the cursor stays to look at it too.
      if (slab.fullAtMicros(this.cursor) <= nowMicros) this.remove(this.cursor);
      else this.cursor++;
    }
  }

  /** Gives unused memory back after a flood. */
  shrink(): void {
    this.slab.shrink();
  }

  /** The bucket that is full soonest has least to lose by being forgotten: its subject gains at most its debt. */
  private evictOne(nowMicros: number): void {
    const { slab } = this;
    const candidates = Math.min(EVICTION_CANDIDATES, slab.size);
    let victim = 0;
    let victimFullAt = Infinity;
    for (let looked = 0; looked < candidates; looked++, this.cursor++) {
      if (this.cursor >= slab.size) this.cursor = 0;
      const fullAt = slab.fullAtMicros(this.cursor);
      if (fullAt >= victimFullAt) continue;
      victim = this.cursor;
      victimFullAt = fullAt;
      if (fullAt <= nowMicros) break; // it is full: nobody gains anything
    }
    this.remove(victim);
  }
}
