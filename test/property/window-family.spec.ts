import { Policy } from '../../src/core/policy.js';
import { awkwardCost, difference, LimiterUnderTest } from './support/limiter-under-test.js';
import type { Expected } from './support/oracle.js';
import { histories, type Random } from './support/random.js';

const OPERATIONS = 50_000;
const OPERATIONS_PER_HISTORY = 250;
const START_MICROS = 1_700_000_000_000_000;
const SHAPES: readonly (readonly [capacity: number, perSeconds: number])[] = [
  [1, 1],
  [3, 7],
  [7, 60],
  [10, 60],
  [97, 89],
  [1000, 3600],
  [999_983, 60],
  [50, 366 * 86_400],
];

/** A rule as it is written down, for one bucket. */
interface Rule {
  holds(now: bigint, cost: number): boolean;
  take(now: bigint, cost: number): void;
  fill(): void;
  expected(now: bigint, cost: number, told: boolean): Expected;
}

/** So many in each whole period of Unix time. */
class FixedWindow implements Rule {
  private readonly period: bigint;
  private window = -1n;
  private taken = 0n;

  constructor(
    private readonly capacity: number,
    perSeconds: number,
  ) {
    this.period = BigInt(perSeconds) * 1_000_000n;
  }

  holds(now: bigint, cost: number): boolean {
    return this.takenIn(now) + BigInt(cost) <= BigInt(this.capacity);
  }

  take(now: bigint, cost: number): void {
    this.taken = this.takenIn(now) + BigInt(cost);
    this.window = now / this.period;
  }

  fill(): void {
    this.taken = 0n;
  }

  expected(now: bigint, cost: number, told: boolean): Expected {
    const toNext = this.period - (now % this.period);
    const wait = this.takenIn(now) === 0n ? 0n : toNext;
    return {
      allowed: told,
      remaining: BigInt(this.capacity) - this.takenIn(now),
      retryAfter: told ? 0n : cost > this.capacity ? undefined : toNext,
      resetAfter: wait,
      nextTokenAfter: wait,
    };
  }

  private takenIn(now: bigint): bigint {
    return now / this.period === this.window ? this.taken : 0n;
  }
}

/**
 * One, and the next when period / capacity has passed since; by Bresenham where that is no whole number of µs. The
 * instant of the next is kept as a fraction, `next / capacity` µs.
 */
class Spaced implements Rule {
  private readonly period: bigint;
  private readonly capacity: bigint;
  private next = 0n;

  constructor(capacity: number, perSeconds: number) {
    this.capacity = BigInt(capacity);
    this.period = BigInt(perSeconds) * 1_000_000n;
  }

  holds(now: bigint, cost: number): boolean {
    return cost === 1 && now * this.capacity >= this.next;
  }

  take(now: bigint): void {
    this.next = now * this.capacity + this.period;
  }

  fill(): void {
    this.next = 0n;
  }

  expected(now: bigint, cost: number, told: boolean): Expected {
    const ahead = this.next - now * this.capacity;
    const wait = ahead > 0n ? (ahead + this.capacity - 1n) / this.capacity : 0n;
    return {
      allowed: told,
      remaining: wait === 0n ? 1n : 0n,
      retryAfter: told ? 0n : cost > 1 ? undefined : wait,
      resetAfter: wait,
      nextTokenAfter: wait,
    };
  }
}

describe.each([
  ['fixed-window' as const, FixedWindow],
  ['leaky-bucket' as const, Spaced],
])('%s against its rule', (algorithm, Rule) => {
  it(`${OPERATIONS} operations differ in nothing`, () => {
    const tally = { allowed: 0, denied: 0 };
    histories(20_261_122, OPERATIONS / OPERATIONS_PER_HISTORY, (random, history) => {
      const [capacity, perSeconds] = SHAPES[history % SHAPES.length]!;
      const policy = new Policy({ capacity, perSeconds, algorithm });
      const limiter = new LimiterUnderTest(START_MICROS + random.below(1e14));
      const rule = new Rule(capacity, perSeconds);
      let toldMicros = 1;
      for (let i = 0; i < OPERATIONS_PER_HISTORY; i++) {
        limiter.clock.advanceMicros(wait(random, policy, limiter.now, toldMicros));
        toldMicros = operate(random, limiter, policy, rule, tally);
      }
    });
    expect(Math.min(tally.allowed, tally.denied)).toBeGreaterThan(OPERATIONS / 10);
  });
});

function wait(random: Random, { quota, quotaSeconds }: Policy, now: number, toldMicros: number): number {
  const period = quotaSeconds * 1_000_000;
  switch (random.below(8)) {
    case 0:
      return random.below(Math.ceil((2 * period) / quota) + 1);
    case 1:
      return random.below(period);
    case 2:
      return Math.max(0, period - (now % period) + random.between(-1, 1));
    case 3:
    case 4:
      return Number.isFinite(toldMicros) ? Math.max(0, toldMicros + random.between(-1, 1)) : 1;
    default:
      return random.below(2);
  }
}

function operate(
  random: Random,
  limiter: LimiterUnderTest,
  policy: Policy,
  rule: Rule,
  tally: { allowed: number; denied: number },
): number {
  const charge = { policy, subject: 'user:1', cost: awkwardCost(random, policy.capacity) };
  const now = BigInt(limiter.now);
  if (random.chance(0.01)) {
    limiter.reset(charge);
    rule.fill();
    return 1;
  }
  const peeks = random.chance(0.2);
  const said = peeks ? limiter.peek(charge) : limiter.consume(charge);
  const fits = rule.holds(now, charge.cost);
  if (fits && !peeks) rule.take(now, charge.cost);
  tally[fits ? 'allowed' : 'denied']++;
  const wrong = difference(said.policies[0]!, rule.expected(now, charge.cost, fits));
  if (wrong !== undefined) throw new Error(wrong);
  return Math.round((random.chance(0.5) ? said.retryAfterMs : said.resetAfterMs) * 1000);
}
