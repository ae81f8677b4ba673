import type { Charge } from '../../core/charge.js';
import type { Policy } from '../../core/policy.js';

/**
 * The most that a call may weigh. A token bucket weighs 1 and takes Redis 3 to 5 µs, so that Redis is held for a fifth of
 * a millisecond by what is measured, and for less than one by a server that is several times as slow.
 */
export const MOST_WEIGHT = 32;

/** Measured at 1.6 token buckets. */
const WEIGHT_OF_COUNTERS = 2;
/** Measured at 2 to 11 token buckets: one for each 180 charges kept, of which there may be twice the capacity. */
const WEIGHT_OF_SHORTEST_LOG = 3;
const CAPACITY_PER_WEIGHT = 100;
/** Of longer ones only a part is read. */
const WEIGHT_OF_LONGEST_LOG = 12;

/** What it costs Redis to decide about these charges, in token buckets. */
export function weightOf(charges: readonly Charge[]): number {
  let weight = 0;
  for (const { policy } of charges) weight += policy.windowMicros === 0 ? 1 : weightOfWindow(policy);
  return weight;
}

function weightOfWindow({ algorithm, capacity }: Policy): number {
  if (algorithm !== 'sliding-window-log') return WEIGHT_OF_COUNTERS;
  return Math.min(WEIGHT_OF_SHORTEST_LOG + Math.floor(capacity / CAPACITY_PER_WEIGHT), WEIGHT_OF_LONGEST_LOG);
}
