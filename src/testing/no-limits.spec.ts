import { ALGORITHMS } from '../core/algorithm.js';
import { Policy } from '../core/policy.js';
import { RateLimiter } from '../core/rate-limiter.js';
import { NoLimits } from './no-limits.js';

it.each(ALGORITHMS)('admits everything, and tells of a full bucket: %s', async (algorithm) => {
  const limiter = new RateLimiter(new NoLimits());
  const policy = new Policy({ capacity: 2, perSeconds: 60, algorithm });
  for (const cost of [1, 2, 3, Number.MAX_SAFE_INTEGER]) {
    const decision = await limiter.consume({ policy, subject: 'user:1', cost });
    const { allowed, remaining, retryAfterMs, resetAfterMs } = decision;
    expect([allowed, remaining, retryAfterMs, resetAfterMs]).toEqual([true, policy.capacity, 0, 0]);
    expect(decision.mostRestrictive).toMatchObject({ nextTokenAfterMs: 0 });
    expect(await limiter.refund(decision.receipts[0]!)).toBe(true);
  }
  await limiter.reset({ policy, subject: 'user:1' });
  expect(await limiter.peek({ policy, subject: 'user:1', cost: 3 })).toMatchObject({
    allowed: true,
    remaining: policy.capacity,
  });
});

it('has the time of the machine', () => {
  const { nowMicros } = new NoLimits().consume([]);
  expect(Math.abs(nowMicros / 1000 - Date.now())).toBeLessThan(60_000);
});
