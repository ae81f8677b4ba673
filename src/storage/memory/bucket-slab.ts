import { arrivalMicros, arrivalRemainder, debtUnits } from '../../core/algorithms/token-bucket.js';
import type { Policy } from '../../core/policy.js';
import type { BucketTable } from './bucket-table.js';

const SMALLEST_CAPACITY = 1024;

/**
 * The state of all buckets, one slot each, in typed arrays without gaps: 8 bytes a bucket for the arrival time, 16 more
 * from the first policy on whose refill is no whole number of microseconds per token. Every operation is O(1).
 */
export class BucketSlab {
  /** Slots in use: 0 to `size − 1`. */
  size = 0;

  private arrivals = new Float64Array(0);
  private remainders: Float64Array | undefined;
  /** The refill that a remainder counts in; a policy that was changed since must not take it for its own. */
  private remainderRefills: Float64Array | undefined;
  private readonly keys: string[] = [];
  private readonly tables: BucketTable[] = [];

  constructor(private readonly maxKeys: number) {
    this.resize(Math.min(SMALLEST_CAPACITY, maxKeys));
  }

  /** Debt of the bucket in units, read by this policy at this tick. */
  debtUnits(slot: number, policy: Policy, tick: number): number {
    const arrival = this.arrivals[slot]!;
    return this.remainders === undefined
      ? debtUnits(policy, arrival, 0, tick)
      : this.debtUnitsWithRemainder(slot, policy, arrival, tick);
  }

  write(slot: number, policy: Policy, tick: number, debt: number): void {
    this.arrivals[slot] = arrivalMicros(policy, tick, debt);
    if (this.remainders !== undefined || policy.refillTokens !== 1) this.writeRemainder(slot, policy, debt);
  }

  /** The instant from which on the bucket is full, whichever policy of its id reads it. */
  fullAtMicros(slot: number): number {
    const arrival = this.arrivals[slot]! + (this.remainders !== undefined && this.remainders[slot]! > 0 ? 1 : 0);
    const { intervalMicros } = this.tables[slot]!;
    return intervalMicros === 0 ? arrival : Math.ceil(arrival / intervalMicros) * intervalMicros;
  }

  /** A slot for a new bucket; its state is whatever the caller writes next. */
  add(table: BucketTable, key: string): number {
    const slot = this.size;
    if (slot === this.arrivals.length) this.resize(Math.min(slot * 2, this.maxKeys));
    this.size = slot + 1;
    this.keys.push(key);
    this.tables.push(table);
    table.slots.set(key, slot);
    return slot;
  }

  /** Forgets the bucket; the last one moves into its slot. Answers the table it was in. */
  remove(slot: number): BucketTable {
    const last = --this.size;
    const table = this.tables[slot]!;
    table.slots.delete(this.keys[slot]!);
    const lastKey = this.keys.pop()!;
    const lastTable = this.tables.pop()!;
    if (slot !== last) {
      this.keys[slot] = lastKey;
      this.tables[slot] = lastTable;
      lastTable.slots.set(lastKey, slot);
      this.arrivals[slot] = this.arrivals[last]!;
      if (this.remainders !== undefined) {
        this.remainders[slot] = this.remainders[last]!;
        this.remainderRefills![slot] = this.remainderRefills![last]!;
      }
    }
    return table;
  }

  private debtUnitsWithRemainder(slot: number, policy: Policy, arrival: number, tick: number): number {
    const remainder = this.remainders![slot]!;
    return remainder === 0 || this.remainderRefills![slot] === policy.refillTokens
      ? debtUnits(policy, arrival, remainder, tick)
      : debtUnits(policy, arrival + 1, 0, tick);
  }

  private writeRemainder(slot: number, policy: Policy, debt: number): void {
    this.remainders ??= new Float64Array(this.arrivals.length);
    this.remainderRefills ??= new Float64Array(this.arrivals.length);
    this.remainders[slot] = arrivalRemainder(policy, debt);
    this.remainderRefills[slot] = policy.refillTokens;
  }

  /** Hands memory back after a flood: one halving at a time, and only far below the mark, so that it never thrashes. */
  shrink(): void {
    const capacity = this.arrivals.length;
    if (capacity > SMALLEST_CAPACITY && this.size < capacity / 4) this.resize(Math.ceil(capacity / 2));
  }

  private resize(capacity: number): void {
    const resized = (old: Float64Array) => {
      const copy = new Float64Array(capacity);
      copy.set(old.subarray(0, this.size));
      return copy;
    };
    this.arrivals = resized(this.arrivals);
    this.remainders &&= resized(this.remainders);
    this.remainderRefills &&= resized(this.remainderRefills);
  }
}
