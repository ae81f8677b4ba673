import { costUnits, fits, refundUnits } from '../../core/algorithms/token-bucket.js';
import type { Bucket, Charge } from '../../core/charge.js';
import type { Clock } from '../../core/clock.js';
import type { Instants } from '../../core/instants.js';
import type { OverrideStore } from '../../core/overrides/override-store.js';
import { debtLeft } from '../../core/reservation.js';
import { debtWith, type Owed, RateLimitStorage, type StorageReply } from '../../core/storage.js';
import { outsideRequests } from '../../core/outside-requests.js';
import { MemoryBuckets } from './memory-buckets.js';
import { MemoryOverrides } from './memory-overrides.js';
import { isWindowed, MemoryWindows } from './memory-windows.js';
import { checkedMemoryOptions, type MemoryStorageOptions } from './memory.options.js';

const SWEEP_EVERY_MS = 500;
/** Less than half a millisecond of work at a time, and a million buckets are passed in 100 s. */
const SLOTS_PER_SWEEP = 5000;

/**
 * Keeps buckets in the memory of this process. Every answer is synchronous and takes the same few steps at any capacity
 * and any number of buckets, but for the wait of a sliding window log, whose steps grow with the logarithm. At most `maxKeys` buckets are kept: beyond that a new one takes the place of the fullest
 * of a few others, whose subject gains at most the debt it had.
 */
export class MemoryStorage extends RateLimitStorage {
  private readonly clock: Clock;
  private readonly buckets: MemoryBuckets;
  private readonly windows: MemoryWindows;
  private readonly overrides: MemoryOverrides;
  private timesOpen = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @throws RateLimitConfigurationError */
  constructor(options: MemoryStorageOptions = {}) {
    super();
    const { maxKeys, clock } = checkedMemoryOptions(options);
    this.clock = clock;
    this.overrides = new MemoryOverrides(clock);
    this.buckets = new MemoryBuckets(maxKeys);
    this.windows = new MemoryWindows(this.buckets);
  }

  override get overrideStore(): OverrideStore {
    return this.overrides;
  }

  /** How many buckets are kept; some of them may have become full since they were last looked at. */
  get size(): number {
    return this.buckets.size;
  }

  override consume(charges: readonly Charge[]): StorageReply {
    return isLone(charges) ? this.consumeOne(charges[0]!) : this.consumeAll(charges);
  }

  override peek(charges: readonly Charge[]): StorageReply {
    return this.withInstants(charges, this.look(charges, this.clock.nowMicros()));
  }

  override refund(charges: readonly Charge[], thenMicros: number): void {
    const nowMicros = this.clock.nowMicros();
    for (const charge of charges) {
      const { policy, cost } = charge;
      if (isWindowed(policy)) this.windows.refund(charge, thenMicros, nowMicros);
      else this.lower(charge, refundUnits(policy, cost, thenMicros, nowMicros), nowMicros);
    }
  }

  override grant(charges: readonly Charge[]): void {
    const nowMicros = this.clock.nowMicros();
    for (const charge of charges) {
      const { policy, cost } = charge;
      if (isWindowed(policy)) this.windows.grant(charge, nowMicros);
      else this.lower(charge, costUnits(policy, cost), nowMicros);
    }
  }

  override cancel(charge: Charge, reply: StorageReply): boolean {
    const { policy, subject, cost } = charge;
    const slot = this.buckets.find(policy, subject);
    if (slot === undefined || isWindowed(policy)) return false;
    const nowMicros = this.clock.nowMicros();
    const before = this.buckets.debtUnits(slot, policy, nowMicros);
    if (before === 0 || before !== debtLeft(policy, reply, nowMicros)) return false;
    this.lower(charge, costUnits(policy, cost), nowMicros);
    return true;
  }

  override owe(debts: readonly Owed[]): void {
    const nowMicros = this.clock.nowMicros();
    for (const bucket of debts) {
      if (isWindowed(bucket.policy)) {
        this.windows.owe(bucket, nowMicros);
        continue;
      }
      const slot = this.buckets.find(bucket.policy, bucket.subject);
      const before = this.buckets.debtUnits(slot, bucket.policy, nowMicros);
      this.buckets.put(slot, bucket, nowMicros, debtWith(bucket, before));
    }
  }

  override reset(buckets: readonly Bucket[]): void {
    for (const { policy, subject } of buckets) {
      const slot = this.buckets.find(policy, subject);
      if (slot !== undefined) this.buckets.remove(slot);
    }
  }

  /** Starts the sweep of buckets that nobody asks for any more. Two applications may share one storage. */
  override open(): void {
    if (this.timesOpen++ > 0) return;
    this.timer = outsideRequests(() => setInterval(() => this.sweep(), SWEEP_EVERY_MS)).unref();
  }

  override close(): void {
    if (this.timesOpen === 0 || --this.timesOpen > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** By the machine's clock as it stands now, even if it was set after the start. */
  override unixMicros(nowMicros: number): number {
    return nowMicros + this.clock.unixMicros() - this.clock.nowMicros();
  }

  private consumeOne(charge: Charge): StorageReply {
    const { buckets } = this;
    const { policy } = charge;
    const nowMicros = this.clock.nowMicros();
    const slot = buckets.find(policy, charge.subject);
    const before = buckets.debtUnits(slot, policy, nowMicros);
    const after = before + costUnits(policy, charge.cost);
    if (after > policy.capacityUnits) return loneReply(false, nowMicros, before);
    buckets.put(slot, charge, nowMicros, after);
    return loneReply(true, nowMicros, after);
  }

  private consumeAll(charges: readonly Charge[]): StorageReply {
    const nowMicros = this.clock.nowMicros();
    const found = this.look(charges, nowMicros);
    if (!found.allowed) return this.withInstants(charges, found);
    const instants: (Instants | undefined)[] = [];
    const debtUnits = charges.map((charge, i) => {
      const { policy, subject, cost } = charge;
      const debt = found.debtUnits[i]! + costUnits(policy, cost);
      // Looked up again: the bucket added before this one may have moved slots.
      if (isWindowed(policy)) {
        instants[i] = this.windows.add(charge, cost, nowMicros).instants(policy, cost, nowMicros);
      } else {
        this.buckets.put(this.buckets.find(policy, subject), charge, nowMicros, debt);
      }
      return debt;
    });
    return instants.length === 0
      ? { allowed: true, nowMicros, debtUnits }
      : { allowed: true, nowMicros, debtUnits, instants };
  }

  /** What is allowed and owed, without the instants of sliding windows. */
  private look(charges: readonly Charge[], nowMicros: number): StorageReply {
    let allowed = true;
    const debtUnits = charges.map((charge) => {
      const { policy, subject, cost } = charge;
      const debt = isWindowed(policy)
        ? this.windows.find(charge).debtUnits(policy, nowMicros)
        : this.buckets.debtUnits(this.buckets.find(policy, subject), policy, nowMicros);
      if (!fits(policy, cost, debt)) allowed = false;
      return debt;
    });
    return { allowed, nowMicros, debtUnits };
  }

  private withInstants(charges: readonly Charge[], reply: StorageReply): StorageReply {
    if (!charges.some(({ policy }) => isWindowed(policy))) return reply;
    const instants = charges.map((charge) => {
      const { policy, cost } = charge;
      return isWindowed(policy) ? this.windows.find(charge).instants(policy, cost, reply.nowMicros) : undefined;
    });
    return { ...reply, instants };
  }

  /** A bucket that owes no more is not kept. */
  private lower(bucket: Bucket, units: number, nowMicros: number): void {
    const { policy, subject } = bucket;
    const slot = this.buckets.find(policy, subject);
    if (slot === undefined) return;
    const debt = this.buckets.debtUnits(slot, policy, nowMicros) - units;
    if (debt > 0) this.buckets.put(slot, bucket, nowMicros, debt);
    else this.buckets.remove(slot);
  }

  private sweep(): void {
    this.buckets.sweep(this.clock.nowMicros(), SLOTS_PER_SWEEP);
    this.buckets.shrink();
  }
}

// Most requests make one charge, on a bucket that is one number: the pieces of its way are small enough to be inlined.
function isLone(charges: readonly Charge[]): boolean {
  return charges.length === 1 && !isWindowed(charges[0]!.policy);
}

function loneReply(allowed: boolean, nowMicros: number, debtUnits: number): StorageReply {
  return { allowed, nowMicros, debtUnits: [debtUnits] };
}
