import type { Policy } from '../../src/core/policy.js';
import { AWKWARD_POLICIES, STEPPED_POLICIES } from './support/awkward-policies.js';
import {
  awkwardCost,
  awkwardWait,
  difference,
  LimiterUnderTest,
  policyAndOracle,
} from './support/limiter-under-test.js';
import type { OracleBucket } from './support/oracle.js';
import { histories, type Random } from './support/random.js';

const OPERATIONS = 1_000_000;
const OPERATIONS_PER_HISTORY = 500;
const START_MICROS = 1_700_000_000_000_000;

interface OneBucket {
  readonly policy: Policy;
  readonly oracle: OracleBucket;
  readonly subject: string;
}

// A busy machine can take longer than the usual time.
jest.setTimeout(180_000);

describe('against an exact oracle', () => {
  it('has the policies that it needs', () => {
    expect(AWKWARD_POLICIES.length).toBeGreaterThanOrEqual(30);
    expect(STEPPED_POLICIES.length).toBeGreaterThanOrEqual(8);
  });

  it('a million operations differ in nothing: decision, remaining, waits', () => {
    const tally = { operations: 0, answers: 0, allowed: 0, denied: 0 };
    histories(20_261_121, OPERATIONS / OPERATIONS_PER_HISTORY, (random, history) => {
      const limiter = new LimiterUnderTest(START_MICROS + random.below(1e14));
      const buckets = someBuckets(random, history, limiter.now);
      let toldMicros = 1;
      for (let i = 0; i < OPERATIONS_PER_HISTORY; i++) {
        limiter.clock.advanceMicros(awkwardWait(random, buckets[0]!.policy, toldMicros));
        toldMicros = operate(random, limiter, buckets, tally);
        tally.operations++;
      }
    });
    expect(tally.operations).toBe(OPERATIONS);
    // Both answers are common, or the waits and costs above are no test.
    expect(Math.min(tally.allowed, tally.denied)).toBeGreaterThan(OPERATIONS / 5);
    expect(tally.answers).toBeGreaterThan(OPERATIONS);
  });
});

/** One to four buckets; every policy gets its turn to be the first, on whose scale time passes. */
function someBuckets(random: Random, history: number, nowMicros: number): OneBucket[] {
  const first = AWKWARD_POLICIES[history % AWKWARD_POLICIES.length]!;
  const others = Array.from({ length: random.below(4) }, () => random.pick(AWKWARD_POLICIES));
  return [first, ...others].map((definition, i) => {
    const [policy, oracle] = policyAndOracle(definition, nowMicros);
    return { policy, oracle, subject: `user:${i}` };
  });
}

/** One question to limiter and oracle; answers the µs that the limiter told to wait. */
function operate(
  random: Random,
  limiter: LimiterUnderTest,
  buckets: readonly OneBucket[],
  tally: { answers: number; allowed: number; denied: number },
): number {
  const asked = random.chance(0.6) ? [buckets[0]!] : buckets.filter(() => random.chance(0.7));
  if (asked.length === 0) return 1;
  for (const { oracle } of asked) oracle.at(limiter.now);
  if (random.chance(0.01)) {
    limiter.reset(asked);
    for (const { oracle } of asked) oracle.fill();
    return 1;
  }
  const charges = asked.map((bucket) => ({ ...bucket, cost: awkwardCost(random, bucket.policy.capacity) }));
  const peeks = random.chance(0.1);
  const decision = peeks ? limiter.peek(charges) : limiter.consume(charges.length === 1 ? charges[0]! : charges);

  const fits = charges.map(({ oracle, cost }) => oracle.holds(cost));
  const allowed = fits.every(Boolean);
  if (decision.allowed !== allowed) throw new Error(`the request was ${decision.allowed ? 'allowed' : 'denied'}`);
  tally[allowed ? 'allowed' : 'denied']++;
  charges.forEach(({ oracle, cost }, i) => {
    if (allowed && !peeks) oracle.take(cost);
    const wrong = difference(decision.policies[i]!, oracle.expected(cost, fits[i]!));
    if (wrong !== undefined) throw new Error(wrong);
    tally.answers++;
  });
  return Math.round((random.chance(0.5) ? decision.retryAfterMs : decision.resetAfterMs) * 1000);
}
