import { MemoryStorage } from '../storage/memory/memory.storage.js';
import { ManualClock } from '../testing/manual-clock.js';
import { InvalidChargeError, RateLimitConfigurationError } from './errors.js';
import { Policy } from './policy.js';
import { RateLimiter } from './rate-limiter.js';

const SECOND = new Policy({ name: 'calls.second', capacity: 2, perSeconds: 1 });
const MINUTE = new Policy({ name: 'calls.minute', capacity: 3, perSeconds: 60 });
const MAILS = new Policy({ name: 'mails', capacity: 5, perSeconds: 60 });
const ADA = { policy: 'calls', subject: 'user:ada' };

function setUp() {
  const clock = new ManualClock();
  const storage = new MemoryStorage({ clock });
  const groups = new Map([['calls', [SECOND, MINUTE]]]);
  const limiter = new RateLimiter(storage, [SECOND, MINUTE, MAILS], { groups });
  const left = async () => (await limiter.peek(ADA)).policies.map(({ remaining }) => remaining);
  return { clock, storage, limiter, left };
}

describe('A group that is named in code', () => {
  it('is asked as one, by one question', async () => {
    const { clock, storage, limiter, left } = setUp();
    const asked = jest.spyOn(storage, 'consume');
    expect((await limiter.consume({ ...ADA, cost: 2 })).allowed).toBe(true);
    clock.advanceMs(1000);
    expect((await limiter.consume({ ...ADA, cost: 2 })).allowed).toBe(false);
    expect(await left()).toEqual([2, 1]);
    expect(asked).toHaveBeenCalledTimes(2);
  });

  it('can stand beside others, and is summed with its policies', async () => {
    const { limiter, left } = setUp();
    const { subject } = ADA;
    const decision = await limiter.consume([ADA, { policy: 'mails', subject }, { policy: 'calls.minute', subject }]);
    expect(decision.policies.map(({ policy, cost }) => [policy.name, cost])).toEqual([
      ['calls.second', 1],
      ['calls.minute', 2],
      ['mails', 1],
    ]);
    expect(await left()).toEqual([1, 1]);
    expect(await limiter.refund(decision.receipts[0]!)).toBe(true);
    expect(await left()).toEqual([2, 3]);
  });

  it('is made full as a whole, and given tokens to each', async () => {
    const { limiter, left } = setUp();
    await limiter.consume({ ...ADA, cost: 2 });
    await limiter.grant(ADA, 1);
    expect(await left()).toEqual([1, 2]);
    expect(() => limiter.grant(ADA, 3)).toThrow(InvalidChargeError);
    expect(await left()).toEqual([1, 2]);
    await limiter.reset(ADA);
    expect(await left()).toEqual([2, 3]);
  });

  it('is counted by its policies', async () => {
    const { limiter } = setUp();
    await limiter.consume(ADA);
    expect(limiter.counts.map(({ policy, allowed }) => [policy, allowed])).toEqual([
      ['calls.second', 1],
      ['calls.minute', 1],
      ['mails', 0],
    ]);
  });

  it.each([
    ['mails', [SECOND], 'a group and a policy are named "mails". Remedy: rename one'],
    ['empty', [], 'the group "empty" is empty. Remedy: make groups of the policies that are handed over'],
    ['calls', [SECOND, MINUTE], 'policy "calls.minute" of the group "calls" is not among the policies. Remedy: make'],
    ['twice', [SECOND, SECOND], 'the group "twice" has a policy twice. Remedy: name each once'],
    ['single', SECOND as never, 'the group "single" is no list. Remedy: make groups'],
  ])('%s: must be of policies that are declared', (name, members, message) => {
    const make = () => new RateLimiter(new MemoryStorage(), [SECOND, MAILS], { groups: new Map([[name, members]]) });
    expect(make).toThrow(RateLimitConfigurationError);
    expect(make).toThrow(`new RateLimiter: ${message}`);
  });

  it('are given as a Map', () => {
    const make = () => new RateLimiter(new MemoryStorage(), [MAILS], { groups: { calls: [MAILS] } as never });
    expect(make).toThrow(RateLimitConfigurationError);
    expect(make).toThrow('groups is');
  });

  it('are granted a number of tokens, not none', () => {
    const { limiter } = setUp();
    expect(() => limiter.grant(ADA, undefined as never)).toThrow(InvalidChargeError);
  });
});
