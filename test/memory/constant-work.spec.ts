import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { BucketSlab } from '../../src/storage/memory/bucket-slab.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

const SLAB_METHODS = ['debtUnits', 'write', 'fullAtMicros', 'add', 'remove'] as const;

/** Everything that a question can do to state, counted: reads and writes of maps and slots, and readings of the clock. */
function steps(work: () => void, clock: ManualClock): Record<string, number> {
  const spies = [
    ...(['get', 'set', 'has', 'delete'] as const).map((method) => jest.spyOn(Map.prototype, method)),
    ...SLAB_METHODS.map((method) => jest.spyOn(BucketSlab.prototype, method)),
    jest.spyOn(clock, 'nowMicros'),
  ];
  const before = spies.map((spy) => spy.mock.calls.length);
  work();
  const counts = spies.map((spy, i) => [`${i}:${spy.getMockName()}`, spy.mock.calls.length - before[i]!]);
  for (const spy of spies) spy.mockRestore();
  return Object.fromEntries(counts) as Record<string, number>;
}

function total(counted: Record<string, number>): number {
  return Object.values(counted).reduce((a, b) => a + b);
}

/** The steps of one admitted question on a known bucket, one on a new bucket, and one denied. */
function stepsOfQuestions(capacity: number, keys: number, maxKeys = 1_000_000) {
  const clock = new ManualClock();
  const storage = new MemoryStorage({ clock, maxKeys });
  const limiter = new RateLimiter(storage);
  const policy = new Policy({ capacity, refillTokens: 1, refillSeconds: 1 });
  for (let i = 0; i < keys; i++) void limiter.consume({ policy, subject: `user:${i}` });
  clock.advanceMs(500);
  const ask = (subject: string, cost = 1) => steps(() => void limiter.consume({ policy, subject, cost }), clock);
  return { known: ask('user:0'), added: ask('new'), denied: ask('user:1', capacity + 1) };
}

describe('the steps of a decision are few and always the same', () => {
  const reference = stepsOfQuestions(1000, 1000);

  it.each([2, 1000, 1_000_000, 1_000_000_000])('capacity %d', (capacity) => {
    expect(stepsOfQuestions(capacity, 1000)).toEqual(reference);
  });

  it.each([10, 1000, 100_000])('%d keys', (keys) => {
    expect(stepsOfQuestions(1000, keys)).toEqual(reference);
  });

  it.each([100, 10_000])('at a cap of %d', (cap) => {
    const { known, added, denied } = stepsOfQuestions(1000, cap, cap);
    expect({ known, denied }).toEqual({ known: reference.known, denied: reference.denied });
    expect(added).toEqual(stepsOfQuestions(1000, 1000, 1000).added);
    expect(total(added)).toBeLessThan(25);
  });

  it('are few', () => {
    expect(total(reference.known)).toBeLessThan(6);
    expect(total(reference.denied)).toBeLessThan(5);
    expect(total(reference.added)).toBeLessThan(12);
  });

  it('do not grow with the tokens that were taken', () => {
    const clock = new ManualClock();
    const limiter = new RateLimiter(new MemoryStorage({ clock }));
    const policy = new Policy({ capacity: 1_000_000, refillTokens: 1, refillSeconds: 1 });
    const ask = () => steps(() => void limiter.consume({ policy, subject: 'user:1' }), clock);
    ask();
    const early = ask();
    for (let i = 0; i < 50_000; i++) void limiter.consume({ policy, subject: 'user:1' });
    expect(ask()).toEqual(early);
  });
});
