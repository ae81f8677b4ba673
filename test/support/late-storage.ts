import type { Bucket, Charge } from '../../src/core/charge.js';
import { RateLimitStorage, type StorageReply } from '../../src/core/storage.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import type { VirtualTime } from './virtual-time.js';

/** Buckets at the other end of a connection: questions are carried out and answered in their order, each way takes time. */
export class LateStorage extends RateLimitStorage {
  /** Whether the resets that are sent from now on fail when they are there, and change nothing. */
  resetsFail = false;
  private readonly memory: MemoryStorage;
  private readonly there: (() => void)[] = [];
  private readonly back: (() => void)[] = [];

  /** @param oneWayMs how long a question takes to be there, and an answer to be back; `onReset` is told when one is there. */
  constructor(
    private readonly time: VirtualTime,
    private readonly oneWayMs: number,
    private readonly onReset?: () => void,
  ) {
    super();
    this.memory = new MemoryStorage({ clock: time });
  }

  consume(charges: readonly Charge[]): Promise<StorageReply> {
    return this.ask(() => this.memory.consume(charges));
  }

  peek(charges: readonly Charge[]): Promise<StorageReply> {
    return this.ask(() => this.memory.peek(charges));
  }

  refund(charges: readonly Charge[], thenMicros: number): Promise<void> {
    return this.ask(() => this.memory.refund(charges, thenMicros));
  }

  grant(charges: readonly Charge[]): Promise<void> {
    return this.ask(() => this.memory.grant(charges));
  }

  override cancel(charge: Charge, reply: StorageReply): Promise<boolean> {
    return this.ask(() => this.memory.cancel(charge, reply));
  }

  reset(buckets: readonly Bucket[]): Promise<void> {
    const fails = this.resetsFail;
    return this.ask(() => {
      if (fails) throw new Error('lost');
      this.memory.reset(buckets);
      this.onReset?.();
    });
  }

  private ask<T>(carryOut: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.after(this.there, () => {
        try {
          const answer = carryOut();
          this.after(this.back, () => resolve(answer));
        } catch (error) {
          this.after(this.back, () => reject(error));
        }
      });
    });
  }

  /** Timers may ring too early, but nothing overtakes what was sent before. */
  private after(line: (() => void)[], arrive: () => void): void {
    line.push(arrive);
    this.time.after(this.oneWayMs, () => line.shift()!(), true);
  }
}
