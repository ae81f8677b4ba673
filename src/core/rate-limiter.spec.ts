import { MemoryStorage } from '../storage/memory/memory.storage.js';
import { ManualClock } from '../testing/manual-clock.js';
import type { Charge } from './charge.js';
import { type Decision, Receipt } from './decision.js';
import { InvalidChargeError } from './errors.js';
import { Policy } from './policy.js';
import type { ChargeRequest } from './charge-requests.js';
import { RateLimiter } from './rate-limiter.js';
import { RateLimitStorage, type StorageReply } from './storage.js';

const hourly = new Policy({ name: 'hourly', capacity: 10, refillTokens: 1, refillSeconds: 1 });
const burst = new Policy({ name: 'burst', capacity: 3, refillTokens: 1, refillSeconds: 1 });
const SUBJECT = 'user:1';

function makeLimiter() {
  const clock = new ManualClock();
  const limiter = new RateLimiter(new MemoryStorage({ clock }), [hourly, burst]);
  return {
    clock,
    limiter,
    consume: (charges: ChargeRequest | readonly ChargeRequest[]) => limiter.consume(charges) as Decision,
    left: (policy: Policy, subject = SUBJECT) => (limiter.peek({ policy, subject }) as Decision).remaining,
  };
}

describe('consume', () => {
  it('takes one token unless told otherwise, by policy or by name', () => {
    const { consume, left } = makeLimiter();
    expect(consume({ policy: hourly, subject: SUBJECT })).toMatchObject({ allowed: true, remaining: 9 });
    expect(consume({ policy: 'hourly', subject: SUBJECT, cost: 4 })).toMatchObject({ allowed: true, remaining: 5 });
    expect(consume([{ policy: 'hourly', subject: SUBJECT, cost: 5 }])).toMatchObject({
      remaining: 0,
      resetAfterMs: 10_000,
    });
    expect(left(hourly, 'user:2')).toBe(10);
  });

  it('takes from all buckets or from none, and a refusal changes nothing', () => {
    const { consume, left } = makeLimiter();
    const both = [
      { policy: hourly, subject: SUBJECT, cost: 2 },
      { policy: burst, subject: SUBJECT, cost: 2 },
    ];
    expect(consume(both).policies.map(({ remaining }) => remaining)).toEqual([8, 1]);
    const refused = consume(both);
    expect(refused).toMatchObject({ allowed: false, receipts: [], retryAfterMs: 1000 });
    expect(refused.policies.map(({ allowed }) => allowed)).toEqual([true, false]);
    expect([left(hourly), left(burst)]).toEqual([8, 1]);
  });

  it('adds up charges on one bucket before deciding', () => {
    const { consume, left } = makeLimiter();
    const twice = [
      { policy: burst, subject: SUBJECT, cost: 2 },
      { policy: 'burst', subject: SUBJECT, cost: 2 },
    ];
    expect(consume(twice)).toMatchObject({ allowed: false, retryAfterMs: Infinity });
    expect(left(burst)).toBe(3);
    expect(
      consume([
        { policy: burst, subject: SUBJECT },
        { policy: burst, subject: SUBJECT, cost: 2 },
      ]),
    ).toMatchObject({
      allowed: true,
      remaining: 0,
    });
  });

  it('a cost above the capacity is never admitted and says so', () => {
    const { consume, left } = makeLimiter();
    for (const cost of [4, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
      expect(consume({ policy: burst, subject: SUBJECT, cost })).toMatchObject({
        allowed: false,
        retryAfterMs: Infinity,
      });
    }
    expect(left(burst)).toBe(3);
  });

  it('keeps what it was given as it was: changing the request afterwards changes nothing', () => {
    const { limiter, consume, left } = makeLimiter();
    const request = { policy: burst, subject: SUBJECT, cost: 1 };
    const { receipts } = consume(request);
    request.cost = 3;
    request.subject = 'user:2';
    void limiter.refund(receipts[0]!);
    expect(left(burst)).toBe(3);
  });
});

describe('a question that no bucket can be asked', () => {
  const { limiter, left } = makeLimiter();
  const good = { policy: hourly, subject: SUBJECT };
  const questions: [string, unknown, RegExp][] = [
    ...[0, -1, 0.5, NaN, 2 ** 53, '1'].map((cost): [string, unknown, RegExp] => [
      `cost ${cost}`,
      { ...good, cost },
      /the cost is .* whole number of tokens/,
    ]),
    ['an empty subject', { policy: hourly, subject: '' }, /the subject is ""/],
    ['no subject', { policy: hourly }, /the subject is undefined/],
    ['a bad one behind a good one', [good, { policy: burst, subject: '' }], /the subject is ""/],
    ['nothing', undefined, /The policy is undefined; expected a Policy/],
    ['null', null, /The policy is undefined/],
    ['nothing in a list', [undefined], /The policy is undefined/],
    ['an empty list', [], /The list of charges is empty; name at least one/],
    [
      'an unknown name',
      { ...good, policy: 'hourley' },
      /Unknown policy "hourley"\. Declared are "hourly", "burst"; declare it/,
    ],
    ['a name of Object.prototype', { ...good, policy: 'constructor' }, /Unknown policy "constructor"/],
  ];

  it.each(questions)('%s', (_, request, message) => {
    for (const method of ['consume', 'peek'] as const) {
      const ask = () => limiter[method](request as ChargeRequest);
      expect(ask).toThrow(InvalidChargeError);
      expect(ask).toThrow(message);
    }
    expect(left(hourly)).toBe(10);
  });

  it('says when there is nothing that could be named', () => {
    const bare = new RateLimiter(new MemoryStorage());
    expect(() => bare.consume({ policy: 'x', subject: SUBJECT })).toThrow(
      'No shared policies are declared; declare it',
    );
    expect(() => bare.reset([])).toThrow(InvalidChargeError);
  });
});

describe('peek, reset and refund', () => {
  it('peek answers what consume would, takes nothing and leaves no receipt', () => {
    const { limiter, consume } = makeLimiter();
    consume({ policy: burst, subject: SUBJECT, cost: 2 });
    const peeked = limiter.peek({ policy: burst, subject: SUBJECT, cost: 1 }) as Decision;
    expect(peeked).toMatchObject({ allowed: true, remaining: 1, receipts: [] });
    expect(limiter.peek({ policy: burst, subject: SUBJECT, cost: 2 })).toMatchObject({
      allowed: false,
      retryAfterMs: 1000,
    });
    expect(consume({ policy: burst, subject: SUBJECT })).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('reset makes buckets full', () => {
    const { limiter, consume, left } = makeLimiter();
    consume([
      { policy: burst, subject: SUBJECT, cost: 3 },
      { policy: hourly, subject: SUBJECT, cost: 3 },
    ]);
    void limiter.reset([{ policy: 'burst', subject: SUBJECT }]);
    expect([left(burst), left(hourly)]).toEqual([3, 7]);
    void limiter.reset({ policy: hourly, subject: SUBJECT });
    expect(left(hourly)).toBe(10);
  });

  it('a refund counts once and gives back what has not refilled since', () => {
    const { clock, limiter, consume, left } = makeLimiter();
    const [receipt] = consume({ policy: hourly, subject: SUBJECT, cost: 5 }).receipts;
    consume({ policy: hourly, subject: SUBJECT, cost: 5 });
    clock.advanceMs(2000);
    expect(limiter.refund(receipt!)).toBe(true);
    expect(left(hourly)).toBe(5);
    expect(limiter.refund(receipt!)).toBe(false);
    expect(left(hourly)).toBe(5);
  });
});

describe('with a storage that answers later', () => {
  class LateStorage extends RateLimitStorage {
    private readonly memory = new MemoryStorage({ clock: new ManualClock() });
    refunds = 0;

    override consume(charges: readonly Charge[]): Promise<StorageReply> {
      return Promise.resolve(this.memory.consume(charges));
    }

    override peek(charges: readonly Charge[]): Promise<StorageReply> {
      return Promise.resolve(this.memory.peek(charges));
    }

    override refund(): Promise<void> {
      this.refunds++;
      return Promise.resolve();
    }

    override async grant(): Promise<void> {}

    override async reset(): Promise<void> {}
  }

  it('gives the same answers, with a promise', async () => {
    const storage = new LateStorage();
    const limiter = new RateLimiter(storage, [burst]);
    const consumed = limiter.consume({ policy: 'burst', subject: SUBJECT, cost: 2 });
    expect(consumed).toBeInstanceOf(Promise);
    const decision = await consumed;
    expect(decision).toMatchObject({ allowed: true, remaining: 1 });
    expect(await limiter.peek({ policy: burst, subject: SUBJECT })).toMatchObject({ remaining: 1, receipts: [] });
    expect(await limiter.refund(decision.receipts[0]!)).toBe(true);
    expect(await limiter.refund(decision.receipts[0]!)).toBe(false);
    expect(storage.refunds).toBe(1);
  });

  it('keeps its defaults: nothing to open, its instants are Unix time', () => {
    const storage = new LateStorage();
    expect([storage.open(), storage.close(), storage.unixMicros(5)]).toEqual([undefined, undefined, 5]);
  });

  it('a receipt counts once for all limiters, while the storage is still giving back, and whoever made it', async () => {
    const storage = new LateStorage();
    const limiter = new RateLimiter(storage);
    for (const receipt of [new Receipt([], 0), { charges: [], takenAtMicros: 0 }]) {
      storage.refunds = 0;
      const [first, ...others] = [limiter, limiter, new RateLimiter(storage)].map((one) => one.refund(receipt));
      expect([await first, ...others]).toEqual([true, false, false]);
      expect(storage.refunds).toBe(1);
    }
  });
});
