import type { Charge } from '../core/charge.js';
import { SystemClock } from '../core/clock.js';
import type { Instants } from '../core/instants.js';
import type { OverrideStore } from '../core/overrides/override-store.js';
import { RateLimitStorage, type StorageReply } from '../core/storage.js';
import { MemoryOverrides } from '../storage/memory/memory-overrides.js';

/** Of a bucket that is full. */
const LONG_AGO: Instants = { retryAtMicros: 0, nextTokenAtMicros: 0, fullAtMicros: 0 };

/** A storage whose buckets are always full: every request is admitted, whatever its cost, and nothing is kept. */
export class NoLimits extends RateLimitStorage {
  private readonly clock = new SystemClock();
  private readonly overrides = new MemoryOverrides(this.clock);

  override get overrideStore(): OverrideStore {
    return this.overrides;
  }

  override consume(charges: readonly Charge[]): StorageReply {
    return {
      allowed: true,
      nowMicros: this.clock.nowMicros(),
      debtUnits: charges.map(() => 0),
      instants: charges.map(() => LONG_AGO),
    };
  }

  override peek(charges: readonly Charge[]): StorageReply {
    return this.consume(charges);
  }

  override refund(): void {}

  override grant(): void {}

  override reset(): void {}
}
