import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import type { Decision } from '../../src/core/decision.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

const policy = new Policy({ capacity: 5, perSeconds: 3600 });

describe('hostile keys are just keys', () => {
  const subjects = [
    ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'undefined', 'null', 'NaN', ' ', '\n'],
    ...['0', '-0', '1', '42', '4294967294', '4294967295', '1e3', '#', '#s42', '#s#', '#h', '0x10'],
    ...['\0', 'a\0', 'a\0b', 'a', '\ud800', '\udfff', '\ud800\udfff', '\udfff\ud800', '\ufffd', '\ufeff', '\u202e'],
    ...['x'.repeat(128), 'x'.repeat(129), 'x'.repeat(1_000_000), `${'x'.repeat(999_999)}y`, '9'.repeat(1_000_000)],
    ...['é', 'e\u0301', 'İ', 'i', 'I', 'ß', 'ss', 'user:1', 'user: 1', 'user:1 '],
  ];

  it('each has a bucket of its own', () => {
    const storage = new MemoryStorage({ clock: new ManualClock() });
    const limiter = new RateLimiter(storage);
    const take = (subject: string, cost: number) => (limiter.consume({ policy, subject, cost }) as Decision).remaining;
    expect(subjects.map((subject, i) => take(subject, 1 + (i % 4)))).toEqual(subjects.map((_, i) => 4 - (i % 4)));
    expect(storage.size).toBe(subjects.length);
    expect(subjects.map((subject) => take(subject, 1))).toEqual(subjects.map((_, i) => Math.max(0, 3 - (i % 4))));
    void limiter.reset(subjects.map((subject) => ({ policy, subject })));
    expect(storage.size).toBe(0);
  });

  it('names and places do not mix with them', () => {
    const storage = new MemoryStorage({ clock: new ManualClock() });
    const limiter = new RateLimiter(storage);
    for (const name of ['constructor', 'toString', 'valueOf', 'hasOwnProperty']) {
      for (const place of ['__proto__', 'a', '']) {
        const one = new Policy({ name, place, capacity: 5, perSeconds: 3600 });
        expect(limiter.consume({ policy: one, subject: 'user:1' })).toMatchObject({ remaining: 4 });
      }
    }
    expect(storage.size).toBe(12);
  });
});

describe('open and close', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('one timer, from the first open to the last close, and again', () => {
    const storage = new MemoryStorage();
    expect(jest.getTimerCount()).toBe(0);
    for (let round = 0; round < 2; round++) {
      storage.open();
      storage.open();
      expect(jest.getTimerCount()).toBe(1);
      storage.close();
      expect(jest.getTimerCount()).toBe(1);
      storage.close();
      storage.close();
      expect(jest.getTimerCount()).toBe(0);
    }
  });

  it('no timer is made for a key', () => {
    const limiter = new RateLimiter(new MemoryStorage());
    for (let i = 0; i < 1000; i++) void limiter.consume({ policy, subject: `user:${i}` });
    expect(jest.getTimerCount()).toBe(0);
  });

  it('the timer clears full buckets in slices, and leaves the others', () => {
    const clock = new ManualClock();
    const storage = new MemoryStorage({ clock });
    const limiter = new RateLimiter(storage);
    const brief = new Policy({ name: 'brief', capacity: 5, perSeconds: 1 });
    for (let i = 0; i < 20_000; i++)
      void limiter.consume({ policy: i % 10 === 0 ? policy : brief, subject: `user:${i}` });
    clock.advanceMs(1000);
    storage.open();
    const sizes = Array.from({ length: 10 }, () => {
      jest.advanceTimersByTime(500);
      return storage.size;
    });
    expect(sizes[0]).toBeGreaterThan(10_000);
    expect(sizes.at(-1)).toBe(2000);
    storage.close();
  });
});

it('every bucket stays what it is while the storage grows and shrinks', () => {
  jest.useFakeTimers();
  const clock = new ManualClock();
  const storage = new MemoryStorage({ clock });
  const limiter = new RateLimiter(storage);
  const sevenths = new Policy({ name: 'sevenths', capacity: 7, perSeconds: 3600 });
  const brief = new Policy({ name: 'brief', capacity: 7, refillTokens: 7, refillSeconds: 1 });
  const subjects = Array.from({ length: 20_000 }, (_, i) => `user:${i}`);
  const charged = subjects.map((subject, i) => ({
    policy: i % 9 === 0 ? sevenths : brief,
    subject,
    cost: 1 + (i % 7),
  }));
  const resets = charged.map((charge) => (limiter.consume(charge) as Decision).resetAfterMs);
  const now = () => charged.map((charge) => (limiter.peek(charge) as Decision).resetAfterMs);
  expect(now()).toEqual(resets);

  clock.advanceMs(1000);
  storage.open();
  jest.advanceTimersByTime(20 * 500);
  storage.close();
  expect(storage.size).toBe(charged.filter(({ policy }) => policy === sevenths).length);
  expect(now()).toEqual(resets.map((reset, i) => (i % 9 === 0 ? Math.round(reset * 1000 - 1_000_000) / 1000 : 0)));
  jest.useRealTimers();
});

it('a bucket that a refund makes full is forgotten', () => {
  const storage = new MemoryStorage({ clock: new ManualClock() });
  const limiter = new RateLimiter(storage);
  const first = limiter.consume({ policy, subject: 'user:1', cost: 2 }) as Decision;
  const second = limiter.consume({ policy, subject: 'user:1', cost: 1 }) as Decision;
  void limiter.refund(first.receipts[0]!);
  expect(storage.size).toBe(1);
  void limiter.refund(second.receipts[0]!);
  expect(storage.size).toBe(0);
});

it('tells instants by the machine as it is set now', () => {
  const clock = new ManualClock();
  const storage = new MemoryStorage({
    clock: { nowMicros: () => clock.nowMicros(), unixMicros: () => clock.nowMicros() + 7_000_000 },
  });
  const { nowMicros } = storage.peek([{ policy, subject: 'user:1', cost: 1 }]);
  expect(nowMicros).toBe(clock.nowMicros());
  clock.advanceMs(5);
  expect(storage.unixMicros(nowMicros)).toBe(nowMicros + 7_000_000);
});
