import { ALGORITHMS } from '../../src/core/algorithm.js';
import type { Decision } from '../../src/core/decision.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { inChild } from './support/child.js';

const WINDOWS = ['sliding-window-log', 'sliding-window-counter'] as const;

describe('buckets of all algorithms in one memory', () => {
  it('sweeping, moving and forgetting full ones never shows in an answer', () => {
    const random = new SeededRandom(seedOfThisRun());
    const clock = new ManualClock();
    const together = new MemoryStorage({ clock });
    const limiter = new RateLimiter(together);
    const policies = [...ALGORITHMS, ...WINDOWS].map(
      (algorithm, i) => new Policy({ name: `limit-${i}`, capacity: 5 + i, perSeconds: 1 + i, algorithm }),
    );
    const alone = new Map<string, RateLimiter>();
    let smallest = Infinity;
    for (let i = 0; i < 50_000; i++) {
      clock.advanceMicros(random.integer(0, random.next() < 0.001 ? 20_000_000 : 5000));
      const policy = random.pick(policies);
      const charge = { policy, subject: `user:${random.integer(0, 60)}`, cost: random.integer(1, 3) };
      const key = `${policy.name} ${charge.subject}`;
      if (!alone.has(key)) alone.set(key, new RateLimiter(new MemoryStorage({ clock })));
      const expected = alone.get(key)!.consume(charge) as Decision;
      const said = limiter.consume(charge) as Decision;
      const numbers = ({ allowed, remaining, retryAfterMs, resetAfterMs }: Decision) =>
        [allowed, remaining, retryAfterMs, resetAfterMs].join(' ');
      if (numbers(said) !== numbers(expected)) {
        throw new Error(`seed ${random.seed}, ${i}: ${numbers(said)} instead of ${numbers(expected)}`);
      }
      if (random.next() < 0.02 && said.allowed) {
        void limiter.refund(said.receipts[0]!);
        void alone.get(key)!.refund(expected.receipts[0]!);
      }
      if (i > 10_000) smallest = Math.min(smallest, together.size);
    }
    expect(smallest).toBeLessThan(alone.size);
  });

  it.each(WINDOWS)('%s: the cap holds, and the one that is full soonest goes', (algorithm) => {
    const clock = new ManualClock();
    const storage = new MemoryStorage({ clock, maxKeys: 8 });
    const limiter = new RateLimiter(storage);
    const policy = new Policy({ capacity: 10, perSeconds: 60, algorithm });
    const left = (subject: string) => (limiter.peek({ policy, subject }) as Decision).remaining;
    for (let i = 0; i < 8; i++) {
      void limiter.consume({ policy, subject: `user:${i}`, cost: 10 });
      clock.advanceMs(30_000);
      if (i === 3) void limiter.consume({ policy, subject: 'user:0', cost: algorithm === WINDOWS[0] ? 10 : 1 });
    }
    expect(storage.size).toBeLessThanOrEqual(8);
    for (let i = 0; i < 20; i++) {
      void limiter.consume({ policy, subject: `new:${i}`, cost: 10 });
      expect(storage.size).toBeLessThanOrEqual(8);
    }
    expect(left('new:19')).toBe(0);
  });

  it.each(WINDOWS)('%s: what counts no more is swept, and refunds of everything leave nothing', (algorithm) => {
    jest.useFakeTimers();
    try {
      const clock = new ManualClock();
      const storage = new MemoryStorage({ clock });
      const limiter = new RateLimiter(storage);
      const policy = new Policy({ capacity: 10, perSeconds: 60, algorithm });
      for (let i = 0; i < 3000; i++) void limiter.consume({ policy, subject: `user:${i}` });
      const { receipts } = limiter.consume({ policy, subject: 'refunded' }) as Decision;
      void limiter.refund(receipts[0]!);
      expect(storage.size).toBe(3000);
      storage.open();
      clock.advanceMs(59_999);
      jest.advanceTimersByTime(2000);
      expect(storage.size).toBe(3000);
      clock.advanceMs(60_001);
      jest.advanceTimersByTime(2000);
      expect(storage.size).toBe(0);
      storage.close();
    } finally {
      jest.useRealTimers();
    }
  });
});

describe('bytes of a bucket beyond its subject', () => {
  interface Kept {
    readonly bytesPerKey: number;
  }
  const bytes = (algorithm: string, charges: number) =>
    (inChild('window-bytes.mjs', [algorithm, charges]) as Kept).bytesPerKey;

  it('of counters are about 200; of a log about 380, and beyond ten charges about 20 more for each', () => {
    const counter = bytes('sliding-window-counter', 10);
    const log = [1, 10, 100].map((charges) => bytes('sliding-window-log', charges));
    console.log('bytes of counters', counter, 'of logs with 1, 10 and 100 charges', log);
    expect(counter).toBeLessThan(300);
    expect(log[1]).toBeLessThan(500);
    expect(log[2]! - log[1]!).toBeLessThan(90 * 35);
  }, 60_000);
});
