import {
  arrivalMicros,
  arrivalRemainder,
  costUnits,
  debtUnits,
  tickMicros,
  waitMicros,
} from './algorithms/token-bucket.js';
import type { Policy } from './policy.js';

/** What timers are usually late by, at the most. Counted as late, strictly spaced calls would drift by it, one after the other. */
const USUAL_LATENESS_MICROS = 2000;

/**
 * What one process has let go of a bucket, counted when it really went. A process that stood still lets go late what was
 * due meanwhile; all of it at once would be more than the policy allows.
 *
 * Kept in the storage's time as far as it is known here: the storage answered between the sending of a question and the
 * arrival of its answer. An answer that only narrows this down moves what was counted along; what it cannot explain is a
 * clock that was set.
 */
export class Pace {
  private arrival = 0;
  private remainder = 0;
  private offsetMicros = 0;
  private least = -Infinity;
  private most = Infinity;

  /** @param isStepped whether tokens arrive in steps: what was counted then stands at the beginning of one. */
  constructor(private readonly isStepped: boolean) {}

  /** What went before counts no longer: the bucket was made full. */
  forget(): void {
    this.arrival = 0;
    this.remainder = 0;
  }

  /** @param sentMicros and receivedMicros by the clock of this process; the storage said `nowMicros` in between. */
  learn(sentMicros: number, receivedMicros: number, nowMicros: number): void {
    const least = nowMicros - receivedMicros;
    const most = nowMicros - sentMicros;
    const before = this.offsetMicros;
    this.offsetMicros = this.least === -Infinity ? least : Math.max(least, Math.min(before, most));
    const explained = Math.max(this.least, Math.min(this.offsetMicros, this.most));
    if (!this.isStepped && this.least !== -Infinity) this.arrival += explained - before;
    this.least = least;
    this.most = most;
  }

  /** Microseconds for which this cost is still to be held back at an instant of this process' clock. */
  holdMicros(policy: Policy, cost: number, localMicros: number): number {
    const now = this.storageMicros(localMicros);
    return waitMicros(policy, now, this.debtWith(policy, cost, now) - policy.capacityUnits);
  }

  /** @param dueMicros when it was to go, and localMicros when it went. */
  count(policy: Policy, cost: number, dueMicros: number, localMicros: number): void {
    // It may have been a later step already, and must not count for an earlier one.
    const at = this.isStepped
      ? localMicros + this.most
      : this.storageMicros(this.punctual(policy, cost, dueMicros, localMicros));
    const debt = this.debtWith(policy, cost, at);
    this.arrival = arrivalMicros(policy, tickMicros(policy, at), debt);
    this.remainder = arrivalRemainder(policy, debt);
  }

  private punctual(policy: Policy, cost: number, dueMicros: number, localMicros: number): number {
    const spare = Math.floor((policy.capacityUnits - costUnits(policy, cost)) / policy.refillTokens);
    const heldUntil = this.arrival - this.offsetMicros - spare;
    const readyMicros = Math.min(localMicros, Math.max(dueMicros, heldUntil));
    return localMicros - readyMicros <= USUAL_LATENESS_MICROS ? readyMicros : localMicros;
  }

  private debtWith(policy: Policy, cost: number, nowMicros: number): number {
    const before = debtUnits(policy, this.arrival, this.remainder, tickMicros(policy, nowMicros));
    return before + costUnits(policy, cost);
  }

  private storageMicros(localMicros: number): number {
    return localMicros + this.offsetMicros;
  }
}
