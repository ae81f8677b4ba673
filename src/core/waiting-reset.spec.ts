import { quiet, VirtualTime } from '../../test/support/virtual-time.js';
import { MemoryStorage } from '../storage/memory/memory.storage.js';
import { RateLimitOverrides } from './overrides/rate-limit-overrides.js';
import { Policy } from './policy.js';
import { PolicyLimiter } from './policy-limiter.js';
import { RateLimiter } from './rate-limiter.js';

const SUBJECT = 'everyone';

describe('A reset by whichever limiter of the storage', () => {
  const ways: [string, (limiter: RateLimiter) => unknown][] = [
    ['RateLimiter.reset', (limiter) => limiter.reset({ policy: 'calls.second', subject: SUBJECT })],
    ['of its group', (limiter) => limiter.reset({ policy: 'calls', subject: SUBJECT })],
    ['among others', (limiter) => limiter.reset(['mails', 'calls'].map((policy) => ({ policy, subject: SUBJECT })))],
    ['RateLimitOverrides.reset', (limiter) => new RateLimitOverrides(limiter).reset('calls.second', SUBJECT)],
  ];

  it.each(ways)('lets go who waits: %s', async (_way, reset) => {
    const time = new VirtualTime(1_800_000_000_000_000);
    const storage = new MemoryStorage({ clock: time });
    const second = new Policy({ name: 'calls.second', capacity: 2, refillTokens: 1, refillSeconds: 1 });
    const mails = new Policy({ name: 'mails', capacity: 1, perSeconds: 1 });
    const groups = new Map([['calls', [second]]]);
    const limiter = new RateLimiter(storage, [second, mails], { groups });
    const waiting = new PolicyLimiter(new RateLimiter(storage), second, time);
    let gone = 0;
    for (let i = 0; i < 6; i++) void waiting.wait(SUBJECT).then(() => gone++);
    await quiet();
    expect(gone).toBe(2);
    await reset(limiter);
    await quiet();
    expect(gone).toBe(4);
    await time.pass(1_000_000);
    expect(gone).toBe(5);
  });
});
