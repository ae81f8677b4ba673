/**
 * The sliding window log: every charge of the last W µs is kept, used = the sum of their costs, and a charge of c tokens
 * is admitted iff used + c ≤ C. A charge made at t counts at every instant before t + W. So the costs that are admitted
 * within any half-open window of length W, wherever it begins, are at most C: exactly the rule, without an error.
 *
 * Each charge is kept with the sum of all costs up to it, so that what is used is one difference, and the instant at
 * which enough is free is found by halving. The same lines stand in Lua in `storage/redis/`; a test holds them together.
 */
import type { Instants } from '../instants.js';
import type { Policy } from '../policy.js';
import type { SlidingWindow } from './sliding-window.js';

/** More than anybody owes; below it sums stay exact. Only debt from elsewhere can pass the capacity. */
const MOST_USED = 2 ** 40;

/** O(1) amortised, but for the wait of a denial (logarithmic) and taking out (the charges since). */
export class ChargeLog implements SlidingWindow {
  /** Pairs of time and sum, oldest first. The first pair never counts: its sum is the one before all others. */
  private readonly pairs: number[] = [0, 0];
  /** Where the first pair that counted was found the last time; most often it is there again, or close behind. */
  private latestFirst = 2;

  debtUnits({ windowMicros }: Policy, nowMicros: number): number {
    return this.usedSince(this.first(windowMicros, nowMicros));
  }

  instants({ capacity, windowMicros }: Policy, cost: number, nowMicros: number): Instants {
    const { pairs } = this;
    const first = this.first(windowMicros, nowMicros);
    const used = this.usedSince(first);
    if (used === 0) return { retryAtMicros: 0, nextTokenAtMicros: 0, fullAtMicros: 0 };
    return {
      retryAtMicros: this.freeAtMicros(first, used + cost - capacity, windowMicros),
      nextTokenAtMicros: this.freeAtMicros(first, Math.max(1, used - capacity + 1), windowMicros),
      fullAtMicros: pairs.at(-2)! + windowMicros,
    };
  }

  add({ windowMicros }: Policy, tokens: number, nowMicros: number): void {
    const { pairs } = this;
    const first = this.first(windowMicros, nowMicros);
    const counted = Math.min(tokens, MOST_USED - this.usedSince(first));
    if (counted <= 0) return;
    this.dropBefore(first);
    const sum = pairs.at(-1)! + counted;
    // A clock that was set back must not bring the order into disorder.
    if (pairs.at(-2)! >= nowMicros) pairs[pairs.length - 1] = sum;
    else pairs.push(nowMicros, sum);
  }

  takeOut({ windowMicros }: Policy, tokens: number, thenMicros: number, nowMicros: number): void {
    const { pairs } = this;
    const first = this.first(windowMicros, nowMicros);
    const at = this.search(first, (pair) => pairs[pair]! >= thenMicros);
    if (pairs[at] !== thenMicros) return;
    const cost = pairs[at + 1]! - pairs[at - 1]!;
    const taken = Math.min(tokens, cost);
    for (let sum = at + 1; sum < pairs.length; sum += 2) pairs[sum]! -= taken;
    if (taken === cost) pairs.splice(at, 2);
  }

  /** The oldest charges that still count go first, as if they had never been made. */
  grant({ windowMicros }: Policy, tokens: number, nowMicros: number): void {
    const { pairs } = this;
    const first = this.first(windowMicros, nowMicros);
    const sum = pairs[first - 1]! + Math.min(tokens, this.usedSince(first));
    // The first of which something is left. The pair before it is now the one that never counts.
    const at = this.search(first, (pair) => pairs[pair + 1]! > sum);
    pairs.splice(0, at - 2);
    pairs[1] = sum;
    this.latestFirst = 2;
  }

  fullAtMicros({ windowMicros }: Policy): number {
    return this.pairs.length === 2 ? 0 : this.pairs.at(-2)! + windowMicros;
  }

  /** The first pair that counts; the length where none does. */
  private first(windowMicros: number, nowMicros: number): number {
    const { pairs } = this;
    const lastOutside = nowMicros - windowMicros;
    let first = Math.min(this.latestFirst, pairs.length);
    while (first < pairs.length && pairs[first]! <= lastOutside) first += 2;
    while (first > 2 && pairs[first - 2]! > lastOutside) first -= 2;
    this.latestFirst = first;
    return first;
  }

  private usedSince(first: number): number {
    return this.pairs.at(-1)! - this.pairs[first - 1]!;
  }

  /** The instant at which so many tokens have left the window; 0 for none, and for more than there are. */
  private freeAtMicros(first: number, tokens: number, windowMicros: number): number {
    const { pairs } = this;
    if (tokens <= 0) return 0;
    if (tokens === 1) return pairs[first]! + windowMicros;
    const sum = pairs[first - 1]! + tokens;
    const at = this.search(first, (pair) => pairs[pair + 1]! >= sum);
    return at < pairs.length ? pairs[at]! + windowMicros : 0;
  }

  /** The least pair from `from` on of which it is true, as of all that follow; the length where it is true of none. */
  private search(from: number, isTrue: (pair: number) => boolean): number {
    let [low, high] = [from, this.pairs.length];
    while (low < high) {
      const middle = low + (((high - low) >> 2) << 1);
      if (isTrue(middle)) high = middle;
      else low = middle + 2;
    }
    return low;
  }

  /** Half of the pairs at a time, so that a pair is moved about once in its life. */
  private dropBefore(first: number): void {
    const { pairs } = this;
    if (first === pairs.length) {
      pairs.length = 2;
      pairs[0] = pairs[1] = 0;
    } else if (first - 2 > pairs.length - first) {
      pairs.splice(0, first - 2);
    } else {
      return;
    }
    this.latestFirst = 2;
  }
}
