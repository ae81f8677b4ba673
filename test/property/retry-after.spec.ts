import { AWKWARD_POLICIES } from './support/awkward-policies.js';
import { awkwardCost, awkwardWait, LimiterUnderTest, policyAndOracle } from './support/limiter-under-test.js';
import { histories } from './support/random.js';

const REFUSALS = 1000;
const START_MICROS = 1_700_000_000_000_000;
const SUBJECT = 'user:1';

describe.each(AWKWARD_POLICIES)('$name', (definition) => {
  it('retryAfter is the least wait that succeeds: not one µs less, not one µs more', () => {
    let refusals = 0;
    histories(61, REFUSALS, (random) => {
      const limiter = new LimiterUnderTest(START_MICROS + random.below(1e14));
      const [policy] = policyAndOracle(definition, limiter.now);
      const ask = (cost: number) => limiter.consume({ policy, subject: SUBJECT, cost });
      let cost = policy.capacity;
      let refused = ask(cost);
      while (refused.allowed) {
        limiter.clock.advanceMicros(random.chance(0.5) ? 0 : Math.floor(awkwardWait(random, policy, 1) / 2));
        cost = Math.min(awkwardCost(random, policy.capacity), policy.capacity);
        refused = ask(cost);
      }
      const waitMicros = Math.round(refused.retryAfterMs * 1000);
      limiter.clock.advanceMicros(waitMicros - 1);
      if (ask(cost).allowed) throw new Error(`cost ${cost} was admitted 1 µs before ${waitMicros} µs`);
      limiter.clock.advanceMicros(1);
      if (!ask(cost).allowed) throw new Error(`cost ${cost} was refused after ${waitMicros} µs`);
      refusals++;
    });
    expect(refusals).toBe(REFUSALS);
  });

  it('resetAfter is the least wait that fills the bucket', () => {
    let fillings = 0;
    histories(67, 50, (random) => {
      const limiter = new LimiterUnderTest(START_MICROS + random.below(1e14));
      const [policy] = policyAndOracle(definition, limiter.now);
      const { resetAfterMs } = limiter.consume({
        policy,
        subject: SUBJECT,
        cost: Math.min(awkwardCost(random, policy.capacity), policy.capacity),
      });
      const everything = { policy, subject: SUBJECT, cost: policy.capacity };
      limiter.clock.advanceMicros(Math.round(resetAfterMs * 1000) - 1);
      if (limiter.peek(everything).allowed) throw new Error('the bucket was full 1 µs early');
      limiter.clock.advanceMicros(1);
      if (!limiter.peek(everything).allowed) throw new Error('the bucket was not full in time');
      fillings++;
    });
    expect(fillings).toBe(50);
  });
});
