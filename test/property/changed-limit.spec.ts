import { Policy } from '../../src/core/policy.js';
import { AWKWARD_POLICIES } from './support/awkward-policies.js';
import { fillMicros, LimiterUnderTest } from './support/limiter-under-test.js';
import { histories } from './support/random.js';

const START_MICROS = 1_700_000_000_000_000;

describe('a limit that is changed while its buckets live', () => {
  it('keeps the time to full, capped by that of an empty bucket, and never blocks longer', () => {
    let capped = 0;
    histories(101, 10_000, (random) => {
      const limiter = new LimiterUnderTest(START_MICROS + random.below(1e13));
      const [policy, changed] = [random.pick(AWKWARD_POLICIES), random.pick(AWKWARD_POLICIES)].map(
        (definition) => new Policy({ ...definition, name: 'changing' }),
      ) as [Policy, Policy];
      limiter.consume({ policy, subject: 'user:1', cost: random.between(1, policy.capacity) });
      limiter.clock.advanceMicros(random.below(Math.min(policy.maxAheadMicros, 1e12) + 1));
      const before = limiter.peek({ policy, subject: 'user:1' }).resetAfterMs * 1000;
      const after = limiter.peek({ policy: changed, subject: 'user:1' }).resetAfterMs * 1000;

      // To the next step of either grid, and to the next µs.
      const slack = policy.intervalMicros + changed.intervalMicros + 1;
      const kept = Math.min(before, changed.maxAheadMicros);
      if (Math.abs(after - kept) > slack) throw new Error(`${before} µs to full became ${after}, not ${kept}`);
      if (kept < before) capped++;
      limiter.clock.advanceMicros(fillMicros(changed));
      const { remaining } = limiter.peek({ policy: changed, subject: 'user:1' });
      if (remaining < changed.capacity) throw new Error(`only ${remaining} tokens after the time to refill`);
    });
    expect(capped).toBeGreaterThan(1000);
  });
});
