import type { Charge } from './charge.js';
import type { Decision } from './decision.js';
import { StorageFailureError } from './errors.js';
import { Policy } from './policy.js';
import { RateLimiter } from './rate-limiter.js';
import { RateLimitStorage, type StorageReply } from './storage.js';

const log = new Policy({ name: 'log', capacity: 4, perSeconds: 60, algorithm: 'sliding-window-log' });
const bucket = new Policy({ name: 'bucket', capacity: 4, perSeconds: 60 });
const charges = [log, bucket].map((policy) => ({ policy, subject: 'user:1' }));
const instants = { retryAtMicros: 3_000_000, nextTokenAtMicros: 2_000_000, fullAtMicros: 5_000_000 };

/** A storage that says what it is told to say. */
class Told extends RateLimitStorage {
  readonly refunds: [charges: readonly Charge[], thenMicros: number][] = [];

  constructor(private readonly reply: StorageReply) {
    super();
  }

  override consume(): StorageReply {
    return this.reply;
  }

  override peek(): StorageReply {
    return this.reply;
  }

  override refund(given: readonly Charge[], thenMicros: number): void {
    this.refunds.push([given, thenMicros]);
  }

  override grant(): void {}

  override reset(): void {}
}

it('tells the instants of a sliding window from the time of the answer on', () => {
  const storage = new Told({ allowed: false, nowMicros: 1_000_000, debtUnits: [4], instants: [instants] });
  const { policies } = new RateLimiter(storage).consume(charges[0]!) as Decision;
  expect(policies[0]).toMatchObject({ remaining: 0, retryAfterMs: 2000, nextTokenAfterMs: 1000, resetAfterMs: 4000 });
  expect((new RateLimiter(storage).consume({ ...charges[0]!, cost: 5 }) as Decision).retryAfterMs).toBe(Infinity);
});

it('tells nothing of an instant that has passed', () => {
  const storage = new Told({ allowed: true, nowMicros: 9_000_000, debtUnits: [0], instants: [instants] });
  const { policies } = new RateLimiter(storage).peek(charges[0]!) as Decision;
  expect(policies[0]).toMatchObject({ retryAfterMs: 0, nextTokenAfterMs: 0, resetAfterMs: 0, tokensWorthMs: 60_000 });
});

it('takes no answer from a storage that does not know sliding windows', () => {
  for (const reply of [{}, { instants: [] }, { instants: [undefined, instants] }]) {
    const storage = new Told({ allowed: true, nowMicros: 1, debtUnits: [1, 1], ...reply });
    const ask = () => new RateLimiter(storage).consume(charges);
    expect(ask).toThrow(new StorageFailureError('The storage does not know the algorithm "sliding-window-log".'));
  }
});

it('keeps the time of each clock that answered, in the waits and in what is given back', () => {
  const storage = new Told({
    allowed: true,
    nowMicros: 1_000_000,
    nowMicrosEach: [1_500_000, 1_000_000],
    debtUnits: [1, 15_000_000],
    instants: [instants, undefined],
  });
  const limiter = new RateLimiter(storage);
  const { policies, receipts } = limiter.consume(charges) as Decision;
  expect(policies.map(({ resetAfterMs }) => resetAfterMs)).toEqual([3500, 15_000]);
  for (const receipt of receipts) expect(limiter.refund(receipt)).toBe(true);
  expect(storage.refunds.map(([given, then]) => [given.map(({ policy }) => policy.name), then])).toEqual([
    [['log'], 1_500_000],
    [['bucket'], 1_000_000],
  ]);
});
