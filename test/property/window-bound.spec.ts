import { Policy } from '../../src/core/policy.js';
import { LimiterUnderTest } from './support/limiter-under-test.js';
import { histories, type Random } from './support/random.js';

const HISTORIES = 400;
const OPERATIONS_PER_HISTORY = 200;
const START_MICROS = 1_700_000_000_000_000;
const SUBJECT = 'user:1';
const SHAPES: readonly (readonly [capacity: number, perSeconds: number])[] = [
  [1, 1],
  [3, 7],
  [10, 60],
  [100, 60],
];

/** What was admitted, and when; what was granted, as less than nothing. */
type Admitted = { readonly at: number; readonly cost: number }[];

/** Asks greedily for all there is, at instants that find faults; in every other history tokens are granted now and then. */
function greedy(random: Random, policy: Policy): Admitted {
  const limiter = new LimiterUnderTest(START_MICROS + random.below(1e13));
  const admitted: Admitted = [];
  for (let i = 0; i < OPERATIONS_PER_HISTORY; i++) {
    const { windowMicros } = policy;
    const toBoundary = windowMicros - (limiter.now % windowMicros);
    limiter.clock.advanceMicros(
      random.pick([0, 1, random.below(windowMicros), Math.max(0, toBoundary + random.between(-2, 1)), windowMicros]),
    );
    if (random.seed % 2 === 0 && random.chance(0.1)) {
      const granted = random.between(1, policy.capacity);
      limiter.grant({ policy, subject: SUBJECT }, granted);
      admitted.push({ at: limiter.now, cost: -granted });
    }
    const { remaining } = limiter.peek({ policy, subject: SUBJECT });
    const cost = remaining > 0 && random.chance(0.7) ? remaining : 1;
    if (!limiter.consume({ policy, subject: SUBJECT, cost }).allowed) continue;
    admitted.push({ at: limiter.now, cost });
  }
  return admitted;
}

/** The most, over every interval that begins and ends with an admission, of a measure of its length and cost. */
function worst(admitted: Admitted, measure: (micros: number, cost: number) => number): number {
  let most = -Infinity;
  for (let from = 0; from < admitted.length; from++) {
    let cost = 0;
    for (let to = from; to < admitted.length; to++) {
      cost += admitted[to]!.cost;
      most = Math.max(most, measure(admitted[to]!.at - admitted[from]!.at, cost));
    }
  }
  return most;
}

function policyOf(history: number, algorithm: 'sliding-window-log' | 'sliding-window-counter'): Policy {
  const [capacity, perSeconds] = SHAPES[history % SHAPES.length]!;
  return new Policy({ capacity, perSeconds, algorithm });
}

it('a log admits at most the capacity in any half-open window, and what is granted in it', () => {
  let full = 0;
  histories(97, HISTORIES, (random, history) => {
    const policy = policyOf(history, 'sliding-window-log');
    const admitted = greedy(random, policy);
    const most = worst(admitted, (micros, cost) => (micros < policy.windowMicros ? cost : 0));
    if (most > policy.capacity) throw new Error(`${most} in a window of ${policy.capacity}`);
    if (most === policy.capacity) full++;
  });
  expect(full).toBe(HISTORIES);
});

it('counters admit less than twice the capacity in any window, and in any interval no more than a token bucket, but for what is granted in it', () => {
  let mostInWindow = 0;
  histories(101, HISTORIES, (random, history) => {
    const policy = policyOf(history, 'sliding-window-counter');
    const { capacity, windowMicros } = policy;
    const admitted = greedy(random, policy);
    const inWindow = worst(admitted, (micros, cost) => (micros < windowMicros ? cost : 0));
    if (inWindow >= 2 * capacity) throw new Error(`${inWindow} in a window of ${capacity}`);
    mostInWindow = Math.max(mostInWindow, inWindow / capacity);
    // In parts of which a token has as many as its window has µs: all integers.
    const excess = worst(admitted, (micros, cost) => cost * windowMicros - capacity * windowMicros - capacity * micros);
    if (excess > 0) throw new Error(`${excess / windowMicros} tokens more than a token bucket`);
  });
  // The bound is nearly reached, so that it is no idle one.
  expect(mostInWindow).toBeGreaterThan(1.8);
});

it('the used of counters is off by no more than documented', () => {
  const near = { low: 0, high: 0 };
  histories(103, HISTORIES, (random, history) => {
    const policy = policyOf(history, 'sliding-window-counter');
    const { windowMicros, capacity } = policy;
    const limiter = new LimiterUnderTest(START_MICROS + random.below(1e13));
    const admitted: { at: number; cost: number }[] = [];
    for (let i = 0; i < OPERATIONS_PER_HISTORY; i++) {
      limiter.clock.advanceMicros(random.pick([0, 1, random.below(Math.ceil(windowMicros / 4))]));
      const { now } = limiter;
      const start = now - (now % windowMicros);
      const sum = (from: number, to: number) =>
        admitted.filter(({ at }) => at > from && at <= to).reduce((total, { cost }) => total + cost, 0);
      const exact = sum(now - windowMicros, now);
      const previous = sum(start - windowMicros - 1, start - 1);
      const said = limiter.storage.peek([{ policy, subject: SUBJECT, cost: 1 }]).debtUnits[0]! / windowMicros;
      const elapsed = (now - start) / windowMicros;
      // Sums of fractions: a billionth of a token is no difference.
      if (said < exact - previous * elapsed - 1e-9) throw new Error(`${said} used, in truth ${exact}: too low`);
      if (said > exact + previous * (1 - elapsed) + 1e-9) throw new Error(`${said} used, in truth ${exact}: too high`);
      near.low = Math.max(near.low, exact - said);
      near.high = Math.max(near.high, said - exact);
      const cost = random.between(1, Math.max(1, Math.floor(capacity / 2)));
      if (limiter.consume({ policy, subject: SUBJECT, cost }).allowed) admitted.push({ at: now, cost });
    }
  });
  expect(Math.min(near.low, near.high)).toBeGreaterThan(20);
});
