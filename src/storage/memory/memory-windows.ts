import type { SlidingWindow } from '../../core/algorithms/sliding-window.js';
import { newWindow } from '../../core/algorithms/sliding-windows.js';
import { MAX_DEBT_UNITS } from '../../core/algorithms/token-bucket.js';
import type { Bucket, Charge } from '../../core/charge.js';
import type { Policy } from '../../core/policy.js';
import type { Owed } from '../../core/storage.js';
import type { MemoryBuckets } from './memory-buckets.js';

/** Whether the policy's buckets keep a sliding window instead of an arrival time. */
export function isWindowed({ windowMicros }: Policy): boolean {
  return windowMicros > 0;
}

/** What is done to buckets with sliding windows, which are kept among all others. */
export class MemoryWindows {
  constructor(private readonly buckets: MemoryBuckets) {}

  /** The bucket's window, to be asked; a new one, which is kept nowhere, where the bucket is absent. */
  find({ policy, subject }: Bucket): SlidingWindow {
    return this.buckets.window(this.buckets.find(policy, subject)) ?? newWindow(policy);
  }

  /** Counts tokens as taken now, whatever there is left; answers the window as it stands then. */
  add(bucket: Bucket, tokens: number, nowMicros: number): SlidingWindow {
    const { policy, subject } = bucket;
    const slot = this.buckets.find(policy, subject);
    const window = this.buckets.window(slot) ?? newWindow(policy);
    window.add(policy, tokens, nowMicros);
    this.buckets.putWindow(slot, bucket, nowMicros, window);
    return window;
  }

  /** Counts whole tokens, rounded up, but no more than the bucket may be made to owe. */
  owe(owed: Owed, nowMicros: number): void {
    const { policy, debtUnits, mostUnits = MAX_DEBT_UNITS } = owed;
    const before = this.find(owed).debtUnits(policy, nowMicros);
    const tokens = Math.min(
      Math.ceil(debtUnits / policy.tokenUnits),
      Math.floor((mostUnits - before) / policy.tokenUnits),
    );
    if (tokens > 0) this.add(owed, tokens, nowMicros);
  }

  /** Gives back a charge that was made at `thenMicros`. */
  refund(charge: Charge, thenMicros: number, nowMicros: number): void {
    this.lower(charge, nowMicros, (window) => window.takeOut(charge.policy, charge.cost, thenMicros, nowMicros));
  }

  grant(charge: Charge, nowMicros: number): void {
    this.lower(charge, nowMicros, (window) => window.grant(charge.policy, charge.cost, nowMicros));
  }

  private lower(bucket: Bucket, nowMicros: number, change: (window: SlidingWindow) => void): void {
    const { policy, subject } = bucket;
    const slot = this.buckets.find(policy, subject);
    const window = this.buckets.window(slot);
    if (slot === undefined || window === undefined) return;
    change(window);
    if (window.debtUnits(policy, nowMicros) === 0) this.buckets.remove(slot);
    else this.buckets.putWindow(slot, bucket, nowMicros, window);
  }
}
