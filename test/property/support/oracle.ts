import type { PolicyDefinition } from '../../../src/core/bucket-shape.js';

/** What a limiter must say about one bucket; times in whole µs, `undefined` for never. */
export interface Expected {
  readonly allowed: boolean;
  readonly remaining: bigint;
  readonly retryAfter: bigint | undefined;
  readonly resetAfter: bigint;
  readonly nextTokenAfter: bigint;
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const ceilDiv = (a: bigint, b: bigint): bigint => (a + b - 1n) / b;

/**
 * A bucket as a child would describe it, in exact fractions: it holds tokens, tokens drop in, it never holds more than
 * its capacity, and whoever takes some leaves that many fewer. No arrival times, no debt, no reduced fractions, no
 * number that can round. Tokens are counted in parts of which one token has `parts`.
 */
export class OracleBucket {
  readonly capacity: bigint;
  /** Parts in one token. */
  readonly parts: bigint;
  /** Parts that drop in with every drop. */
  readonly partsPerDrop: bigint;
  /** µs between two drops, which fall at whole multiples of it. Evenly means: a drop every microsecond. */
  readonly microsPerDrop: bigint;
  private level: bigint;
  private now: bigint;

  constructor(definition: PolicyDefinition, nowMicros: number) {
    const tokens = BigInt(definition.refillTokens ?? definition.capacity);
    const periodMicros = BigInt(definition.refillSeconds ?? definition.perSeconds) * 1_000_000n;
    this.capacity = BigInt(definition.capacity);
    this.parts = periodMicros;
    this.microsPerDrop =
      definition.refillEverySeconds === undefined ? 1n : BigInt(definition.refillEverySeconds) * 1_000_000n;
    this.partsPerDrop = tokens * this.microsPerDrop;
    this.level = this.capacity * this.parts;
    this.now = BigInt(nowMicros);
  }

  /** Lets time pass. */
  at(nowMicros: number): void {
    const now = BigInt(nowMicros);
    const drops = now / this.microsPerDrop - this.now / this.microsPerDrop;
    this.level = least(this.capacity * this.parts, this.level + drops * this.partsPerDrop);
    this.now = now;
  }

  holds(cost: number): boolean {
    return this.level >= BigInt(cost) * this.parts;
  }

  take(cost: number): void {
    this.level -= BigInt(cost) * this.parts;
  }

  fill(): void {
    this.level = this.capacity * this.parts;
  }

  /** Gives tokens back that were taken then, less what has dropped in since: it would have, without them. */
  giveBack(tokens: number, thenMicros: number): void {
    const drops = this.now / this.microsPerDrop - BigInt(thenMicros) / this.microsPerDrop;
    const left = BigInt(tokens) * this.parts - drops * this.partsPerDrop;
    if (left > 0n) this.level = least(this.capacity * this.parts, this.level + left);
  }

  /** Takes what may be more than there is, until `mostOwed` tokens are missing; who owes more already goes on owing it. */
  overrun(tokens: number, mostOwed: number): void {
    const lowest = least(this.level, BigInt(-mostOwed) * this.parts);
    const after = this.level - BigInt(tokens) * this.parts;
    this.level = after < lowest ? lowest : after;
  }

  /** What is to be said of the bucket as it stands, to somebody who asked for `cost` and was `told` yes or no. */
  expected(cost: number, told: boolean): Expected {
    const full = this.capacity * this.parts;
    const remaining = this.level < 0n ? 0n : this.level / this.parts;
    const asked = BigInt(cost);
    return {
      allowed: told,
      remaining,
      retryAfter: told ? 0n : asked > this.capacity ? undefined : this.waitFor(asked * this.parts),
      resetAfter: this.waitFor(full),
      nextTokenAfter: this.level === full ? 0n : this.waitFor((remaining + 1n) * this.parts),
    };
  }

  /** The fewest µs after which the bucket holds so many parts. */
  private waitFor(parts: bigint): bigint {
    if (this.level >= parts) return 0n;
    const drops = ceilDiv(parts - this.level, this.partsPerDrop);
    return (this.now / this.microsPerDrop + drops) * this.microsPerDrop - this.now;
  }
}
