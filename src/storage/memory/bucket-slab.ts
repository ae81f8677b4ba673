import { arrivalMicros, arrivalRemainder, debtUnits } from '../../core/algorithms/token-bucket.js';
import type { SlidingWindow } from '../../core/algorithms/sliding-window.js';
import type { Policy } from '../../core/policy.js';
import type { BucketTable } from './bucket-table.js';

const SMALLEST_LENGTH = 1024;

/**
 * The state of all buckets, one slot each, in arrays without gaps: 8 bytes a bucket for the arrival time, 16 more once
 * a policy is met whose refill is no whole number of microseconds per token, and 8 more once one with a sliding window is,
 * which is an object of its own. No operation on an arrival time depends on the capacity.
 */
export class BucketSlab {
  /** Slots in use: 0 to `size − 1`. */
  size = 0;

  private arrivals: Float64Array;
  private remainders: Float64Array | undefined;
  /** The refill in whose units a remainder counts: a policy that was changed since must not take it for its own. */
  private remainderRefills: Float64Array | undefined;
  /** Of buckets with a sliding window, whose arrival time is when nothing of it counts any more. */
  private windows: (SlidingWindow | undefined)[] | undefined;
  private readonly keys: string[] = [];
  private readonly tables: BucketTable[] = [];

  constructor(private readonly maxKeys: number) {
    this.arrivals = new Float64Array(Math.min(SMALLEST_LENGTH, maxKeys));
  }

  /** Debt of the bucket in units, read by this policy at this tick. */
  debtUnits(slot: number, policy: Policy, tick: number): number {
    return debtUnits(policy, this.arrivals[slot]!, this.remainder(slot, policy), tick);
  }

  write(slot: number, policy: Policy, tick: number, debt: number): void {
    this.arrivals[slot] = arrivalMicros(policy, tick, debt);
    if (this.remainders !== undefined || policy.refillTokens !== 1) this.writeRemainder(slot, policy, debt);
  }

  window(slot: number): SlidingWindow | undefined {
    return this.windows?.[slot];
  }

  writeWindow(slot: number, policy: Policy, window: SlidingWindow): void {
    this.windows ??= this.keys.map(() => undefined);
    this.windows[slot] = window;
    this.arrivals[slot] = window.fullAtMicros(policy);
    if (this.remainders !== undefined) this.remainders[slot] = 0;
  }

  /** The instant from which on the bucket is full, whichever policy of its id reads it. */
  fullAtMicros(slot: number): number {
    const arrival = this.arrivals[slot]! + (this.remainders !== undefined && this.remainders[slot]! > 0 ? 1 : 0);
    const { intervalMicros } = this.tables[slot]!;
    return intervalMicros === 0 ? arrival : Math.ceil(arrival / intervalMicros) * intervalMicros;
  }

  /** A slot for a new bucket, whose state is to be written next. */
  add(table: BucketTable, key: string): number {
    const slot = this.size;
    if (slot === this.arrivals.length) this.resize(Math.min(slot * 2, this.maxKeys));
    this.size = slot + 1;
    this.keys.push(key);
    this.tables.push(table);
    this.windows?.push(undefined);
    table.slots.set(key, slot);
    return slot;
  }

  /** Forgets the bucket; the last one moves into its slot. Answers the table that it was in. */
  remove(slot: number): BucketTable {
    const table = this.tables[slot]!;
    table.slots.delete(this.keys[slot]!);
    const lastKey = this.keys.pop()!;
    const lastTable = this.tables.pop()!;
    const lastWindow = this.windows?.pop();
    const last = --this.size;
    if (slot !== last && this.windows !== undefined) this.windows[slot] = lastWindow;
    if (slot !== last) this.move(last, slot, lastTable, lastKey);
    return table;
  }

  /** Gives memory back after a flood: halved once at a time, and only when it would still be half empty then. */
  shrink(): void {
    const { length } = this.arrivals;
    if (length > SMALLEST_LENGTH && this.size < length / 4) this.resize(Math.ceil(length / 2));
  }

  private remainder(slot: number, policy: Policy): number {
    return this.remainders === undefined ? 0 : this.storedRemainder(slot, policy);
  }

  /** In units of this policy; one of another refill is rounded up to the next whole µs, which drains `refillTokens`. */
  private storedRemainder(slot: number, policy: Policy): number {
    const remainder = this.remainders![slot]!;
    return remainder === 0 || this.remainderRefills![slot] === policy.refillTokens ? remainder : policy.refillTokens;
  }

  private writeRemainder(slot: number, policy: Policy, debt: number): void {
    this.remainders ??= new Float64Array(this.arrivals.length);
    this.remainderRefills ??= new Float64Array(this.arrivals.length);
    this.remainders[slot] = arrivalRemainder(policy, debt);
    this.remainderRefills[slot] = policy.refillTokens;
  }

  private move(from: number, to: number, table: BucketTable, key: string): void {
    this.keys[to] = key;
    this.tables[to] = table;
    table.slots.set(key, to);
    this.arrivals[to] = this.arrivals[from]!;
    if (this.remainders === undefined) return;
    this.remainders[to] = this.remainders[from]!;
    this.remainderRefills![to] = this.remainderRefills![from]!;
  }

  private resize(length: number): void {
    this.arrivals = resized(this.arrivals, length);
    this.remainders &&= resized(this.remainders, length);
    this.remainderRefills &&= resized(this.remainderRefills, length);
  }
}

function resized(numbers: Float64Array, length: number): Float64Array {
  const copy = new Float64Array(length);
  copy.set(length < numbers.length ? numbers.subarray(0, length) : numbers);
  return copy;
}
