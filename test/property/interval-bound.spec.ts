import type { PolicyDefinition } from '../../src/core/bucket-shape.js';
import { AWKWARD_POLICIES, EVEN_POLICIES } from './support/awkward-policies.js';
import { IntervalBound } from './support/interval-bound.js';
import { awkwardCost, awkwardWait, LimiterUnderTest, policyAndOracle } from './support/limiter-under-test.js';
import { histories, type Random } from './support/random.js';

const OPERATIONS_PER_HISTORY = 400;
const HISTORIES_PER_POLICY = 12;
const START_MICROS = 1_700_000_000_000_000;
const SUBJECT = 'user:1';

describe.each(AWKWARD_POLICIES)('$name', (definition) => {
  it('admits at most the capacity and what drops in, in every interval', () => {
    let admitted = 0;
    histories(31, HISTORIES_PER_POLICY, (random) => {
      const { limiter, policy, bound, excess } = start(definition, random);
      let toldMicros = 1;
      for (let i = 0; i < OPERATIONS_PER_HISTORY; i++) {
        limiter.clock.advanceMicros(awkwardWait(random, policy, toldMicros));
        // Greedy: asks for all that it is told it may have, which is where a bound breaks first.
        const left = limiter.peek({ policy, subject: SUBJECT }).remaining;
        const cost = left > 0 && random.chance(0.5) ? left : awkwardCost(random, policy.capacity);
        const decision = limiter.consume({ policy, subject: SUBJECT, cost });
        toldMicros = Math.round(decision.retryAfterMs * 1000);
        if (!decision.allowed) continue;
        bound.add(limiter.now, cost);
        admitted++;
        if (excess() > 0n) throw new Error(`${excess()} parts of a token too many`);
      }
    });
    expect(admitted).toBeGreaterThan(HISTORIES_PER_POLICY);
  });

  it('never refuses traffic that keeps within the bound', () => {
    let offered = 0;
    histories(47, HISTORIES_PER_POLICY, (random) => {
      const { limiter, policy, bound } = start(definition, random);
      for (let i = 0; i < OPERATIONS_PER_HISTORY; i++) {
        limiter.clock.advanceMicros(awkwardWait(random, policy, 1));
        const cost = awkwardCost(random, policy.capacity);
        if (bound.excessWith(limiter.now, cost) > 0n) continue;
        bound.add(limiter.now, cost);
        offered++;
        if (!limiter.consume({ policy, subject: SUBJECT, cost }).allowed) throw new Error(`cost ${cost} was refused`);
      }
    });
    expect(offered).toBeGreaterThan(HISTORIES_PER_POLICY);
  });
});

describe.each(EVEN_POLICIES)('$name, paced', (definition) => {
  it('never refuses a client that waits for what it took, however unpunctual within its capacity', () => {
    histories(53, HISTORIES_PER_POLICY, (random) => {
      const { limiter, policy } = start(definition, random);
      const gap = Math.ceil(policy.refillMicros / policy.refillTokens);
      // Late by up to C − 1 gaps is what a bucket of C takes.
      const latest = Math.min((policy.capacity - 1) * gap, 1e12);
      const from = limiter.now;
      let lastAt = from;
      for (let i = 0; i < OPERATIONS_PER_HISTORY && i * gap < 1e15; i++) {
        const at = Math.max(lastAt, from + i * gap + random.below(latest + 1));
        limiter.clock.advanceMicros(at - lastAt);
        lastAt = at;
        if (!limiter.consume({ policy, subject: SUBJECT }).allowed) throw new Error(`request ${i} was refused`);
      }
    });
    expect.hasAssertions();
    expect(definition.capacity).toBeGreaterThan(0);
  });
});

function start(definition: PolicyDefinition, random: Random) {
  const limiter = new LimiterUnderTest(START_MICROS + random.below(1e14));
  const [policy, oracle] = policyAndOracle(definition, limiter.now);
  const bound = new IntervalBound(oracle);
  return { limiter, policy, bound, excess: () => bound.worstExcess };
}
