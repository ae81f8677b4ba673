import { AsyncResource } from 'node:async_hooks';
import { costUnits, refundUnits, tickMicros } from '../../core/algorithms/token-bucket.js';
import type { Bucket, Charge } from '../../core/charge.js';
import type { Clock } from '../../core/clock.js';
import { RateLimitStorage, type StorageReply } from '../../core/storage.js';
import { MemoryBuckets } from './memory-buckets.js';
import { checkedMemoryOptions, type MemoryStorageOptions } from './memory.options.js';

const SWEEP_EVERY_MS = 500;
/** About 0.4 ms of work at a time; a million buckets are passed in 100 s. */
const SLOTS_PER_SWEEP = 5000;

/** A timer keeps the async context it is made in; made in this one, it keeps no request alive. */
const NO_REQUEST = new AsyncResource('RateLimitSweep');

/**
 * Keeps buckets in the memory of this process and answers synchronously, in the same few steps at any capacity. At
 * most `maxKeys` buckets are kept: beyond it the fullest of a few candidates is forgotten, whose subject gains at most
 * the debt it had.
 */
export class MemoryStorage extends RateLimitStorage {
  private readonly clock: Clock;
  private readonly buckets: MemoryBuckets;
  private opened = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @throws RateLimitConfigurationError */
  constructor(options: MemoryStorageOptions = {}) {
    super();
    const { maxKeys, clock } = checkedMemoryOptions(options);
    this.clock = clock;
    this.buckets = new MemoryBuckets(maxKeys);
  }

  /** Buckets kept now; those that became full lately may still be among them. */
  get size(): number {
    return this.buckets.size;
  }

  override consume(charges: readonly Charge[]): StorageReply {
    return charges.length === 1 ? this.consumeOne(charges[0]!) : this.consumeAll(charges);
  }

  override peek(charges: readonly Charge[]): StorageReply {
    return this.look(charges, this.clock.nowMicros());
  }

  override refund(charges: readonly Charge[], thenMicros: number): void {
    const nowMicros = this.clock.nowMicros();
    for (const { policy, subject, cost } of charges) {
      const slot = this.buckets.find(policy, subject);
      if (slot === undefined) continue;
      const tick = tickMicros(policy, nowMicros);
      const debt = this.buckets.debtUnits(slot, policy, tick) - refundUnits(policy, cost, thenMicros, nowMicros);
      if (debt > 0) this.buckets.write(slot, policy, tick, debt);
      else this.buckets.remove(slot);
    }
  }

  override reset(buckets: readonly Bucket[]): void {
    for (const { policy, subject } of buckets) {
      const slot = this.buckets.find(policy, subject);
      if (slot !== undefined) this.buckets.remove(slot);
    }
  }

  override open(): void {
    if (this.opened++ > 0) return;
    this.timer = NO_REQUEST.runInAsyncScope(() => setInterval(() => this.sweep(), SWEEP_EVERY_MS));
    this.timer.unref();
  }

  override close(): void {
    if (this.opened === 0 || --this.opened > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  override unixMicros(nowMicros: number): number {
    return nowMicros + this.clock.unixMicros() - this.clock.nowMicros();
  }

  private consumeOne(charge: Charge): StorageReply {
    const { policy } = charge;
    const nowMicros = this.clock.nowMicros();
    const tick = tickMicros(policy, nowMicros);
    const slot = this.buckets.find(policy, charge.subject);
    const before = this.buckets.debtUnits(slot, policy, tick);
    const after = before + costUnits(policy, charge.cost);
    if (after > policy.capacityUnits) return { allowed: false, nowMicros, debtUnits: [before] };
    if (slot === undefined) this.buckets.insert(policy, charge.subject, tick, after, nowMicros);
    else this.buckets.write(slot, policy, tick, after);
    return { allowed: true, nowMicros, debtUnits: [after] };
  }

  private consumeAll(charges: readonly Charge[]): StorageReply {
    const nowMicros = this.clock.nowMicros();
    const reply = this.look(charges, nowMicros);
    if (!reply.allowed) return reply;
    const debts = charges.map(({ policy, cost }, i) => reply.debtUnits[i]! + costUnits(policy, cost));
    charges.forEach((charge, i) => this.put(charge, debts[i]!, nowMicros));
    return { allowed: true, nowMicros, debtUnits: debts };
  }

  private put({ policy, subject }: Bucket, debt: number, nowMicros: number): void {
    const tick = tickMicros(policy, nowMicros);
    // Looked up again: the insertion of another bucket of this call may have moved slots.
    const slot = this.buckets.find(policy, subject);
    if (slot === undefined) this.buckets.insert(policy, subject, tick, debt, nowMicros);
    else this.buckets.write(slot, policy, tick, debt);
  }

  private look(charges: readonly Charge[], nowMicros: number): StorageReply {
    let allowed = true;
    const debts = charges.map(({ policy, subject, cost }) => {
      const debt = this.buckets.debtUnits(this.buckets.find(policy, subject), policy, tickMicros(policy, nowMicros));
      if (debt + costUnits(policy, cost) > policy.capacityUnits) allowed = false;
      return debt;
    });
    return { allowed, nowMicros, debtUnits: debts };
  }

  private sweep(): void {
    this.buckets.sweep(this.clock.nowMicros(), SLOTS_PER_SWEEP);
    this.buckets.shrink();
  }
}
