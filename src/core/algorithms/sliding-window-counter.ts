/**
 * The sliding window counter: two numbers, what was taken in the current window (aligned to Unix time) and in the one
 * before. Of the earlier one that part counts which a window of length W that ends now still covers:
 * used = previous · (W − elapsed) / W + current, and a charge of c tokens is admitted iff used + c ≤ C. Counted in units of
 * which a token has as many as the window has moments (µs, or ms where µs would be too fine), so nothing is rounded.
 *
 * It takes what was taken in the earlier window for spread evenly. Against the log, used is too low by at most
 * previous · elapsed / W, and too high by at most previous · (W − elapsed) / W. With the lower of the two a window of
 * length W admits less than 2 · C; over any interval T the admitted cost is at most C + C · T / W, as of a token bucket.
 *
 * A grant lessens `current`, also below 0: so used is less by whole tokens at once, and no more than that later, since what
 * is less than nothing in a window is nothing in the next. Of the window before no tokens are taken for it: one of them
 * counts only in part, which seldom makes a whole number.
 */
import type { Instants } from '../instants.js';
import type { Policy } from '../policy.js';
import type { SlidingWindow } from './sliding-window.js';

/** What was taken in the window that starts at an instant, and in the one before. */
export interface Counts {
  readonly startMicros: number;
  readonly previous: number;
  /** Less than 0 where more was granted; then the window before counts for more than that. */
  readonly current: number;
}

/** Units that two windows together never pass twice over, so that all sums are exact. */
const MOST_UNITS = 2 ** 51;

/** Debt in units at an instant of the window, or before it where the clock was set back. */
export function countedUnits(policy: Policy, { startMicros, previous, current }: Counts, nowMicros: number): number {
  const { tokenUnits } = policy;
  const elapsed = Math.max(0, Math.floor((nowMicros - startMicros) / momentMicros(policy)));
  return previous * (tokenUnits - elapsed) + current * tokenUnits;
}

/** When that will have changed, for somebody who asks for `cost`. Of counts from elsewhere, less than 0 may be 2^52 more. */
export function countedInstants(policy: Policy, cost: number, told: Counts, nowMicros: number): Instants {
  const counts = told.current > MOST_UNITS ? { ...told, current: told.current - 2 * MOST_UNITS } : told;
  const { capacity, capacityUnits, tokenUnits } = policy;
  const debt = countedUnits(policy, counts, nowMicros);
  const remaining = debt >= capacityUnits ? 0 : Math.floor((capacityUnits - debt) / tokenUnits);
  return {
    retryAtMicros: drainedAtMicros(policy, counts, Math.max(0, capacity - cost) * tokenUnits),
    nextTokenAtMicros: debt === 0 ? 0 : drainedAtMicros(policy, counts, (capacity - remaining - 1) * tokenUnits),
    fullAtMicros: drainedAtMicros(policy, counts, 0),
  };
}

/** The first instant at which no more than so many units count; that of the window's start where fewer do anyway. */
function drainedAtMicros(policy: Policy, { startMicros, previous, current }: Counts, units: number): number {
  const { tokenUnits, windowMicros } = policy;
  const currentUnits = current * tokenUnits;
  if (currentUnits > units) {
    // Not before the next window, in which what is current now is the previous.
    return startMicros + windowMicros + Math.ceil((currentUnits - units) / current) * momentMicros(policy);
  }
  const tooMany = previous * tokenUnits + currentUnits - units;
  return tooMany <= 0 ? startMicros : startMicros + Math.ceil(tooMany / previous) * momentMicros(policy);
}

function momentMicros({ windowMicros, tokenUnits }: Policy): number {
  return windowMicros / tokenUnits;
}

/** Two counters and the length of the windows that they belong to. */
export class WindowCounters implements SlidingWindow, Counts {
  startMicros = 0;
  previous = 0;
  current = 0;
  private windowMicros = 0;

  debtUnits(policy: Policy, nowMicros: number): number {
    return countedUnits(policy, this.countsAt(policy, nowMicros), nowMicros);
  }

  instants(policy: Policy, cost: number, nowMicros: number): Instants {
    return countedInstants(policy, cost, this.countsAt(policy, nowMicros), nowMicros);
  }

  add(policy: Policy, tokens: number, nowMicros: number): void {
    const { startMicros, previous, current } = this.countsAt(policy, nowMicros);
    this.keep(policy, startMicros, previous, Math.min(current + tokens, mostTokens(policy)));
  }

  takeOut(policy: Policy, tokens: number, thenMicros: number, nowMicros: number): void {
    const { windowMicros } = policy;
    // Where a charge of windows of another length stands is not known any more.
    if (windowMicros !== this.windowMicros) return;
    const { startMicros, previous, current } = this.countsAt(policy, nowMicros);
    const itsStart = startOf(windowMicros, thenMicros);
    if (itsStart === startMicros) {
      this.keep(policy, startMicros, previous, current - tokens);
    } else if (itsStart === startMicros - windowMicros) {
      this.keep(policy, startMicros, Math.max(0, previous - tokens), current);
    }
  }

  grant(policy: Policy, tokens: number, nowMicros: number): void {
    const { startMicros, previous, current } = this.countsAt(policy, nowMicros);
    this.keep(policy, startMicros, previous, current - tokens);
  }

  fullAtMicros(policy: Policy): number {
    return this.previous + this.current > 0 ? drainedAtMicros(policy, this, 0) : 0;
  }

  private countsAt(policy: Policy, nowMicros: number): Counts {
    const counts = passedOn(this, this.windowMicros, nowMicros);
    if (this.windowMicros === policy.windowMicros) {
      // Where more was granted than is used by now, nothing is.
      if (counts.current < 0 && countedUnits(policy, counts, nowMicros) <= 0)
        return { ...counts, previous: 0, current: 0 };
      return counts;
    }
    // The policy was changed. Whatever still counts counts as taken now: nothing of it is forgiven.
    const current = Math.min(counts.previous + counts.current, mostTokens(policy));
    return { startMicros: startOf(policy.windowMicros, nowMicros), previous: 0, current };
  }

  private keep({ windowMicros }: Policy, startMicros: number, previous: number, current: number): void {
    this.startMicros = startMicros;
    this.previous = previous;
    this.current = current;
    this.windowMicros = windowMicros;
  }
}

/** The counts as they stand in the window of an instant. */
function passedOn(counts: Counts, windowMicros: number, nowMicros: number): Counts {
  // Most often it is that window still; remainders of such numbers are slow.
  if (windowMicros === 0 || nowMicros - counts.startMicros < windowMicros) return counts;
  const startMicros = startOf(windowMicros, nowMicros);
  const isNext = startMicros - counts.startMicros === windowMicros;
  return { startMicros, previous: isNext ? Math.max(0, counts.current) : 0, current: 0 };
}

function startOf(windowMicros: number, micros: number): number {
  return micros - (micros % windowMicros);
}

function mostTokens({ tokenUnits }: Policy): number {
  return Math.floor(MOST_UNITS / tokenUnits);
}
