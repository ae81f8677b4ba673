import type { Instants } from '../instants.js';
import type { Policy } from '../policy.js';

/** What a bucket with a sliding window keeps. Asking changes nothing, whatever the time, so that a denial changes nothing. */
export interface SlidingWindow {
  /** Debt in units, of which a token has `policy.tokenUnits`; 0 is full. */
  debtUnits(policy: Policy, nowMicros: number): number;
  /** When that will have changed, for somebody who asks for `cost`. */
  instants(policy: Policy, cost: number, nowMicros: number): Instants;
  /** Counts tokens as taken now, whatever there is left. */
  add(policy: Policy, tokens: number, nowMicros: number): void;
  /** Takes a charge out of where it stands, if it still counts, as if it had never been made. */
  takeOut(policy: Policy, tokens: number, thenMicros: number, nowMicros: number): void;
  /** Owes so many tokens less from now on, until nothing is owed. */
  grant(policy: Policy, tokens: number, nowMicros: number): void;
  /** The instant from which on nothing of it counts any more; in the past when nothing does. */
  fullAtMicros(policy: Policy): number;
}

/** The µs in which tokens of so many units would come back if the whole capacity did in one window; rounded up. */
export function worthMicros({ capacity, windowMicros, tokenUnits }: Policy, units: number): number {
  // units × microsPerUnit / capacity, in steps that stay below 2^53.
  const microsPerUnit = windowMicros / tokenUnits;
  const rest = units % capacity;
  const restPerUnit = microsPerUnit % capacity;
  return (
    ((units - rest) / capacity) * microsPerUnit +
    rest * ((microsPerUnit - restPerUnit) / capacity) +
    Math.ceil((rest * restPerUnit) / capacity)
  );
}
