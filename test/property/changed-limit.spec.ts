import { Policy } from '../../src/core/policy.js';
import { AWKWARD_POLICIES } from './support/awkward-policies.js';
import { LimiterUnderTest } from './support/limiter-under-test.js';
import { histories } from './support/random.js';

const START_MICROS = 1_700_000_000_000_000;

describe('a limit that is changed while its buckets live', () => {
  it('keeps the instant at which the bucket is full, and waits exactly as long as it says', () => {
    let lowered = 0;
    histories(101, 10_000, (random) => {
      const limiter = new LimiterUnderTest(START_MICROS + random.below(1e13));
      const [policy, changed] = [random.pick(AWKWARD_POLICIES), random.pick(AWKWARD_POLICIES)].map(
        (definition) => new Policy({ ...definition, name: 'changing' }),
      ) as [Policy, Policy];
      const timeToRefill = Math.floor(policy.capacityUnits / policy.refillTokens);
      limiter.consume({ policy, subject: 'user:1', cost: random.between(1, policy.capacity) });
      limiter.clock.advanceMicros(random.below(Math.min(timeToRefill, 1e12) + 1));
      const before = limiter.peek({ policy, subject: 'user:1' }).resetAfterMs * 1000;
      const refused = limiter.peek({ policy: changed, subject: 'user:1' });
      // To the next step of either grid, and to the next µs.
      const slack = policy.intervalMicros + changed.intervalMicros + 1;
      if (before * changed.refillTokens < 2 ** 52 && Math.abs(refused.resetAfterMs * 1000 - before) > slack) {
        throw new Error(`${before} µs to full became ${refused.resetAfterMs * 1000}`);
      }
      // And asking with the new limit has forgiven nothing of the old one.
      const again = limiter.peek({ policy, subject: 'user:1' }).resetAfterMs * 1000;
      if (again !== before) throw new Error(`${before} µs to full became ${again} by asking with another limit`);
      if (refused.allowed || before * changed.refillTokens >= 2 ** 52) return;
      lowered++;
      limiter.clock.advanceMicros(Math.round(refused.retryAfterMs * 1000));
      if (!limiter.peek({ policy: changed, subject: 'user:1' }).allowed) throw new Error('the wait was not enough');
      limiter.clock.advanceMicros(-1);
      if (limiter.peek({ policy: changed, subject: 'user:1' }).allowed) throw new Error('the wait was too long');
    });
    expect(lowered).toBeGreaterThan(1000);
  });

  it('admits no more than either limit, whatever instances with the other one ask for in between', () => {
    const old = new Policy({ capacity: 1000, perSeconds: 3600 });
    const lowered = new Policy({ capacity: 10, perSeconds: 60 });
    const limiter = new LimiterUnderTest(START_MICROS);
    let admitted = 0;
    for (let second = 0; second < 600; second++) {
      for (const policy of [old, lowered]) {
        for (let i = 0; i < 20; i++) if (limiter.consume({ policy, subject: 'user:1', cost: 1 }).allowed) admitted++;
      }
      limiter.clock.advanceMicros(1_000_000);
    }
    expect(admitted).toBeLessThanOrEqual(1000 + Math.floor((1000 * 600) / 3600));
  });
});
