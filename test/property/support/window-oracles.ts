import type { Algorithm } from '../../../src/core/algorithm.js';
import type { Expected } from './oracle.js';

/** What is to be said, and the µs in which the tokens that are left would come back. */
export interface ExpectedOfWindow extends Expected {
  readonly tokensWorth: bigint;
}

export interface WindowDefinition {
  readonly name: string;
  readonly algorithm: Algorithm;
  readonly capacity: number;
  readonly perSeconds: number;
}

/**
 * A bucket as its rule is written down, in exact integers: no state but everything that was ever taken, no formula for a
 * wait but trying. Debt is counted in parts of which one token has `parts`.
 */
export abstract class WindowOracle {
  readonly windowMicros: bigint;
  readonly capacity: bigint;
  protected taken: { at: bigint; tokens: bigint }[] = [];
  protected now = 0n;

  constructor(
    definition: WindowDefinition,
    /** Parts in one token. */
    protected readonly parts: bigint,
  ) {
    this.windowMicros = BigInt(definition.perSeconds) * 1_000_000n;
    this.capacity = BigInt(definition.capacity);
  }

  at(nowMicros: number): void {
    this.now = BigInt(nowMicros);
    this.taken = this.taken.filter(({ at }) => at > this.now - 3n * this.windowMicros);
  }

  holds(cost: number): boolean {
    return this.debtAt(this.now) + BigInt(cost) * this.parts <= this.capacity * this.parts;
  }

  take(tokens: number): void {
    if (this.debtAt(this.now) === 0n) this.taken = [];
    this.taken.push({ at: this.now, tokens: BigInt(tokens) });
  }

  /** Taken elsewhere, whatever there is left; more than a bucket can ever hold is not counted. */
  owe(tokens: number): void {
    this.take(tokens);
  }

  /** As if it had never been taken. */
  giveBack(tokens: number, thenMicros: number): void {
    const found = this.taken.findIndex(
      ({ at, tokens: taken }) => at === BigInt(thenMicros) && taken === BigInt(tokens),
    );
    if (found >= 0) this.taken.splice(found, 1);
  }

  /** So much less is owed. */
  abstract grant(tokens: number): void;

  fill(): void {
    this.taken = [];
  }

  expected(cost: number, told: boolean): ExpectedOfWindow {
    const full = this.capacity * this.parts;
    const debt = this.debtAt(this.now);
    const left = debt > full ? 0n : full - debt;
    const remaining = left / this.parts;
    const asked = BigInt(cost);
    const worth = left * this.windowMicros;
    return {
      allowed: told,
      remaining,
      retryAfter: told ? 0n : asked > this.capacity ? undefined : this.waitFor(full - asked * this.parts),
      resetAfter: this.waitFor(0n),
      nextTokenAfter: debt === 0n ? 0n : this.waitFor(full - (remaining + 1n) * this.parts),
      tokensWorth: (worth + full - 1n) / full,
    };
  }

  protected abstract debtAt(instant: bigint): bigint;

  /** The fewest µs after which no more than so many parts are owed: debt only falls while nobody takes anything. */
  private waitFor(debt: bigint): bigint {
    let [low, high] = [0n, 2n * this.windowMicros];
    while (low < high) {
      const middle = (low + high) / 2n;
      if (this.debtAt(this.now + middle) <= debt) high = middle;
      else low = middle + 1n;
    }
    return low;
  }
}

/** Every charge counts until a window's length after it. */
export class LogOracle extends WindowOracle {
  constructor(definition: WindowDefinition) {
    super(definition, 1n);
  }

  /** Token by token, each of the oldest charge there is. */
  override grant(tokens: number): void {
    for (let left = tokens; left > 0; left--) {
      const oldest = this.taken.find(({ at, tokens: its }) => this.now - at < this.windowMicros && its > 0n);
      if (oldest === undefined) return;
      oldest.tokens--;
    }
  }

  protected override debtAt(instant: bigint): bigint {
    let sum = 0n;
    for (const { at, tokens } of this.taken) if (instant - at < this.windowMicros) sum += tokens;
    return sum;
  }
}

/** The current window of Unix time counts, and of the one before the part that is still covered. */
export class CounterOracle extends WindowOracle {
  /** What time is counted by: µs, or ms where µs would pass 2^51. */
  private readonly moment: bigint;

  constructor(definition: WindowDefinition) {
    const micros = BigInt(definition.perSeconds) * 1_000_000n;
    const moment = BigInt(definition.capacity) * micros <= 2n ** 51n ? 1n : 1000n;
    super(definition, micros / moment);
    this.moment = moment;
  }

  override owe(tokens: number): void {
    const start = this.now - (this.now % this.windowMicros);
    const current = this.taken.filter(({ at }) => at >= start).reduce((sum, one) => sum + one.tokens, 0n);
    const most = 2n ** 51n / this.parts - current;
    this.take(Number(BigInt(tokens) < most ? BigInt(tokens) : most));
  }

  /** Fewer were taken in this window, be it fewer than none, until nothing is owed. */
  override grant(tokens: number): void {
    this.taken.push({ at: this.now, tokens: -BigInt(tokens) });
    if (this.debtAt(this.now) === 0n) this.taken = [];
  }

  protected override debtAt(instant: bigint): bigint {
    const index = instant / this.windowMicros;
    const elapsed = (instant % this.windowMicros) / this.moment;
    const takenIn = (window: bigint) =>
      this.taken.filter(({ at }) => at / this.windowMicros === window).reduce((sum, { tokens }) => sum + tokens, 0n);
    const before = takenIn(index - 1n);
    const debt = takenIn(index) * this.parts + (before > 0n ? before : 0n) * (this.parts - elapsed);
    return debt > 0n ? debt : 0n;
  }
}

export function windowOracle(definition: WindowDefinition): WindowOracle {
  return definition.algorithm === 'sliding-window-log' ? new LogOracle(definition) : new CounterOracle(definition);
}
