import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import type { Decision } from '../../src/core/decision.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

const policy = new Policy({ capacity: 100, perSeconds: 100 });
/** As many as an eviction looks at: then the choice is the best of all. */
const MAX_KEYS = 8;

function makeWorld(maxKeys: number) {
  const clock = new ManualClock();
  const storage = new MemoryStorage({ maxKeys, clock });
  const limiter = new RateLimiter(storage);
  const left = (subject: string, of = policy) => (limiter.peek({ policy: of, subject }) as Decision).remaining;
  const take = (subject: string, cost: number, of = policy) =>
    (limiter.consume({ policy: of, subject, cost }) as Decision).allowed;
  return { clock, storage, left, take };
}

describe('at the cap', () => {
  it('the fullest bucket goes, and its subject gains its own debt and no more', () => {
    const { storage, left, take } = makeWorld(MAX_KEYS);
    const debts = [40, 70, 20, 100, 60, 30, 90, 50];
    debts.forEach((debt, i) => take(`user:${i}`, debt));
    for (let newcomer = 0; newcomer < 5; newcomer++) {
      const before = debts.map((_, i) => left(`user:${i}`));
      const fullest = Math.max(...before.filter((remaining) => remaining < policy.capacity));
      expect(take(`new:${newcomer}`, 100)).toBe(true);
      const after = debts.map((_, i) => left(`user:${i}`));
      expect(after).toEqual(before.map((remaining) => (remaining === fullest ? policy.capacity : remaining)));
      expect(storage.size).toBe(MAX_KEYS);
    }
  });

  it('a bucket that is full already goes first: nobody gains anything', () => {
    const { clock, storage, left, take } = makeWorld(MAX_KEYS);
    for (let i = 0; i < MAX_KEYS; i++) take(`user:${i}`, i === 5 ? 1 : 50);
    clock.advanceMs(1000);
    const before = Array.from({ length: MAX_KEYS }, (_, i) => left(`user:${i}`));
    take('new', 1);
    expect(Array.from({ length: MAX_KEYS }, (_, i) => left(`user:${i}`))).toEqual(before);
    expect(storage.size).toBe(MAX_KEYS);
  });

  it('a flood of new keys does not free those who are deep in debt', () => {
    const { clock, left, take } = makeWorld(1000);
    for (let i = 0; i < 100; i++) take(`abuser:${i}`, 100);
    for (let i = 0; i < 50_000; i++) {
      if (i % 100 === 0) clock.advanceMs(1);
      expect(take(`flood:${i}`, 1)).toBe(true);
    }
    const freed = Array.from({ length: 100 }, (_, i) => left(`abuser:${i}`)).filter((remaining) => remaining > 0);
    expect(freed).toEqual([]);
  });

  it.each([1, 2, 3])('a cap of %d holds, even for a request that needs more buckets', (maxKeys) => {
    const { storage, take } = makeWorld(maxKeys);
    const limiter = new RateLimiter(storage);
    const charges = [1, 2, 3, 4].map((i) => ({ policy, subject: `user:${i}`, cost: i }));
    const decision = limiter.consume(charges) as Decision;
    expect(decision.policies.map(({ remaining }) => remaining)).toEqual([99, 98, 97, 96]);
    expect(storage.size).toBe(maxKeys);
    for (let i = 0; i < 100; i++) take(`user:${i % 7}`, 1 + (i % 3));
    expect(storage.size).toBe(maxKeys);
  });

  it('counts a bucket in steps as full at the next step, not before', () => {
    const window = new Policy({ name: 'window', capacity: 10, perSeconds: 60, refillEverySeconds: 60 });
    const { clock, left, take } = makeWorld(2);
    clock.advanceMs(30_000 - ((clock.nowMicros() / 1000) % 60_000));
    // Its arrival time is 6 s after the start of the minute, long past; it is full at the end of the minute only.
    take('user:1', 1, window);
    take('user:2', 20);
    take('user:3', 50);
    expect(left('user:1', window)).toBe(9);
    expect([left('user:2'), left('user:3')]).toEqual([100, 50]);
  });
});
