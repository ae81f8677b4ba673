import type { PolicyDefinition } from '../../core/bucket-shape.js';
import { Policy } from '../../core/policy.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { AWKWARD_POLICIES, EVEN_POLICIES } from '../../../test/property/support/awkward-policies.js';
import { IntervalBound } from '../../../test/property/support/interval-bound.js';
import { OracleBucket } from '../../../test/property/support/oracle.js';
import { histories } from '../../../test/property/support/random.js';
import { MemoryStorage } from '../memory/memory.storage.js';
import { Shares } from './share.js';

const COUNTS = [1, 2, 3, 7, 1000] as const;
const SUBJECT = 'user:1';
const SEVEN_YEARS = 7n * 366n * 86_400n;
const START_MICROS = 1_700_000_000_000_000;

/** Costs that sharing out gets wrong: below, at and above C/N, and beyond C. */
function awkwardCosts({ capacity }: Policy, count: number): number[] {
  const part = Math.floor(capacity / count);
  const costs = [1, 2, part - 1, part, part + 1, Math.ceil(capacity / 2), capacity - 1, capacity];
  return [...new Set(costs)].filter((cost) => cost >= 1 && cost <= capacity);
}

const shareOf = (policy: Policy, count: number, cost: number): Policy =>
  new Shares(count).of({ policy, subject: SUBJECT, cost }).policy;

describe.each(COUNTS)('one of %d instances', (count) => {
  test.each(AWKWARD_POLICIES)('has a C/N-th of $name, or as much as the cost', (definition) => {
    const policy = new Policy(definition);
    for (const cost of awkwardCosts(policy, count)) {
      const { capacity } = shareOf(policy, count, cost);
      expect([cost, capacity]).toEqual([cost, Math.max(cost, Math.floor(policy.capacity / count))]);
      // Of all instances together: C, or where a cost is more than C/N at most N costs.
      expect(count * capacity <= policy.capacity || capacity === cost).toBe(true);
    }
    // What never fits the limit does not fit its share either.
    expect(shareOf(policy, count, policy.capacity + 1).capacity).toBe(policy.capacity);
    expect(shareOf(policy, count, Number.MAX_SAFE_INTEGER).capacity).toBe(policy.capacity);
  });

  test.each(AWKWARD_POLICIES)('refills with an N-th of $name, rounded up by next to nothing', (definition) => {
    const policy = new Policy(definition);
    for (const cost of awkwardCosts(policy, count)) {
      const share = shareOf(policy, count, cost);
      // Rates times their product of denominators, so that all is in integers: share − r/N, in tokens per µs.
      const denominator = BigInt(share.refillMicros) * BigInt(policy.refillMicros) * BigInt(count);
      const rate = BigInt(share.refillTokens) * BigInt(policy.refillMicros) * BigInt(count);
      const excess = rate - BigInt(policy.refillTokens) * BigInt(share.refillMicros);
      expect(excess >= 0n).toBe(true);
      // Less than a token in 366 days, a whole share in seven years, or a 2^50th of the rate.
      const isSmall =
        excess * 366n * 86_400_000_000n <= denominator ||
        excess * SEVEN_YEARS * 1_000_000n <= BigInt(share.capacity) * denominator ||
        excess << 50n <= rate;
      expect([definition.name, count, cost, isSmall]).toEqual([definition.name, count, cost, true]);
      expect(share.intervalMicros).toBe(0);
    }
  });

  test('is the bucket of the limit, by its name and place', () => {
    const policy = new Policy({ name: 'minute', place: 'A/b', capacity: 10, perSeconds: 60 });
    const shares = new Shares(count);
    const charge = { policy, subject: SUBJECT, cost: 3 };
    const share = shares.of(charge);
    expect(share).toEqual({ policy: share.policy, subject: SUBJECT, cost: 3 });
    expect(share.policy.id).toBe(policy.id);
    expect(shares.of({ ...charge, subject: 'user:2' }).policy).toBe(share.policy);
    expect(shares.has(share)).toBe(true);
    expect(shares.has(charge)).toBe(false);
    expect(new Shares(count).has(share)).toBe(false);
  });
});

test.each([
  ['an hour among seven', { capacity: 5000, perSeconds: 3600 }, 7],
  ['a day among a thousand', { capacity: 1000, perSeconds: 86_400 }, 1000],
  ['a second among three', { capacity: 999_983, perSeconds: 1 }, 3],
  ['coprime numbers', { capacity: 13, refillTokens: 7, refillSeconds: 11 }, 1000],
] satisfies [string, PolicyDefinition, number][])(
  'a rate that can be written is not rounded: %s',
  (_, shape, count) => {
    const policy = new Policy(shape);
    const share = shareOf(policy, count, 1);
    expect(BigInt(share.refillTokens) * BigInt(policy.refillMicros) * BigInt(count)).toBe(
      BigInt(policy.refillTokens) * BigInt(share.refillMicros),
    );
  },
);

test('a share whose cost and rate are too much for exact numbers is made all the same', () => {
  const most = new Policy({ capacity: 2_251_799_813, refillTokens: 1, refillSeconds: 1 });
  for (const count of [2, 7, 1000, 1_000_000]) {
    expect(shareOf(most, count, most.capacity)).toMatchObject({ capacity: most.capacity, refillTokens: 1 });
  }
  const slowest = new Policy({ capacity: 1, perSeconds: 366 * 86_400 });
  expect(shareOf(slowest, 1_000_000, 1)).toMatchObject({ capacity: 1, perSeconds: 366 * 86_400 });
});

test('a share says of itself what its limit does, and owes its share of the debt', () => {
  const shape = { name: 'traffic', place: 'A/b', capacity: 100, perSeconds: 60 } as const;
  const policy = new Policy({ ...shape, message: 'Too much.', quotaUnit: 'content-bytes', maxDebt: 50 });
  const said = { name: 'traffic', place: 'A/b', message: 'Too much.', quotaUnit: 'content-bytes' };
  expect(shareOf(policy, 7, 1)).toMatchObject({ ...said, capacity: 14, maxDebt: 7 });
  expect(shareOf(policy, 100, 1)).toMatchObject({ ...said, capacity: 1, maxDebt: 0 });
  // As much as can be counted.
  const most = new Policy({ capacity: 1, perSeconds: 1, maxDebt: 2_251_799_812 });
  expect(shareOf(most, 1, 1).maxDebt).toBe(2_251_799_812);
  expect(shareOf(new Policy({ capacity: 3, perSeconds: 7, maxDebt: 1_000_000 }), 1_000_000, 1).maxDebt).toBe(1);
});

test('costs without number leave no shares without number, and read one bucket', () => {
  const policy = new Policy({ capacity: 1_000_000, perSeconds: 3600 });
  const shares = new Shares(1_000_000);
  const memory = new MemoryStorage({ clock: new ManualClock() });
  const big = shares.of({ policy, subject: SUBJECT, cost: 900_000 });
  expect(memory.consume([big]).allowed).toBe(true);
  for (let cost = 1; cost <= 5000; cost++) {
    const share = shares.of({ policy, subject: SUBJECT, cost });
    expect(share.policy.capacity).toBe(cost);
    expect(memory.consume([share]).allowed).toBe(false);
  }
  const kept = (shares as unknown as { byPolicy: WeakMap<Policy, Map<number, Policy>> }).byPolicy.get(policy)!;
  expect(kept.size).toBeLessThanOrEqual(1000);
});

describe.each(COUNTS)('%d instances by themselves', (count) => {
  const HISTORIES = 4;

  test.each(EVEN_POLICIES)('admit at most C and r·T of $name in any interval, or N costs more', (definition) => {
    let admitted = 0;
    histories(71, HISTORIES, (random) => {
      const policy = new Policy(definition);
      const most = random.pick(awkwardCosts(policy, count));
      const clock = new ManualClock(START_MICROS);
      const shares = new Shares(count);
      const memories = Array.from({ length: count }, () => new MemoryStorage({ clock }));
      const oracle = new OracleBucket(definition, START_MICROS);
      const bound = new IntervalBound(oracle);
      const steps = 12 * count + 200;
      const fill = Math.min(Math.ceil(policy.capacityUnits / policy.refillTokens), 2e13);
      for (let step = 0; step < steps; step++) {
        if (random.chance(2 / count)) clock.advanceMicros(random.pick([1, random.below(fill), 2 * fill]));
        const cost = random.chance(0.5) ? most : random.between(1, most);
        const { allowed } = memories[random.below(count)]!.consume([shares.of({ policy, subject: SUBJECT, cost })]);
        if (!allowed) continue;
        bound.add(clock.nowMicros(), cost);
        admitted++;
      }
      const more = count * Math.floor(policy.capacity / count) >= count * most ? 0 : count * most;
      // Where rates were rounded up, what that brings all instances in the time of this history.
      const elapsed = clock.nowMicros() - START_MICROS;
      const rounded = awkwardCosts(policy, count).map((cost) => tokensByRounding(policy, count, cost, elapsed));
      const allowance = BigInt(more) + rounded.reduce((a, b) => (a > b ? a : b));
      if (bound.worstExcess > allowance * oracle.parts) {
        throw new Error(`${bound.worstExcess} parts (${oracle.parts} a token) too many; costs up to ${most}`);
      }
    });
    expect(admitted).toBeGreaterThan(HISTORIES);
  });
});

/** What all shares refill in so many µs beyond what the limit does, rounded up; 0 where an N-th of the rate is exact. */
function tokensByRounding(policy: Policy, count: number, cost: number, micros: number): bigint {
  const share = shareOf(policy, count, cost);
  const [shareMicros, allMicros] = [BigInt(share.refillMicros), BigInt(policy.refillMicros)];
  const excess = BigInt(count) * BigInt(share.refillTokens) * allMicros - BigInt(policy.refillTokens) * shareMicros;
  const denominator = shareMicros * allMicros;
  return (BigInt(micros) * excess + denominator - 1n) / denominator;
}

test('a share tells clients what its policy does', () => {
  const policy = new Policy({ name: 'daily', capacity: 10, perSeconds: 86_400, message: 'Daily quota exceeded' });
  expect(shareOf(policy, 2, 1).message).toBe('Daily quota exceeded');
});
