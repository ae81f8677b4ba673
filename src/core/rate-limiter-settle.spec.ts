import { MemoryStorage } from '../storage/memory/memory.storage.js';
import { OutageStorage } from '../storage/outage/outage.storage.js';
import { ManualClock } from '../testing/manual-clock.js';
import type { Charge } from './charge.js';
import { type Decision, type Receipt } from './decision.js';
import { InvalidChargeError, StorageFailureError } from './errors.js';
import { Policy } from './policy.js';
import type { ChargeRequest } from './charge-requests.js';
import { RateLimiter } from './rate-limiter.js';
import type { MaybePromise, Owed } from './storage.js';

const SUBJECT = 'user:1';
/** A token every second. */
const ten = new Policy({ name: 'ten', capacity: 10, refillTokens: 1, refillSeconds: 1 });
const lent = new Policy({ name: 'lent', capacity: 10, refillTokens: 1, refillSeconds: 1, maxDebt: 5 });
const stepped = new Policy({ name: 'stepped', capacity: 10, perSeconds: 10, refillEverySeconds: 10 });

function setUp() {
  const clock = new ManualClock();
  const limiter = new RateLimiter(new MemoryStorage({ clock }));
  const consume = (charges: ChargeRequest | readonly ChargeRequest[]) => limiter.consume(charges) as Decision;
  const look = (policy: Policy, cost = 1) => limiter.peek({ policy, subject: SUBJECT, cost }) as Decision;
  return {
    clock,
    limiter,
    consume,
    take: (policy: Policy, cost: number): Receipt => consume({ policy, subject: SUBJECT, cost }).receipts[0]!,
    left: (policy: Policy) => look(policy).remaining,
    /** Seconds until a token can be had. */
    wait: (policy: Policy, cost = 1) => look(policy, cost).retryAfterMs / 1000,
  };
}

describe('settle', () => {
  it('gives back what was not used, at once where the storage is', () => {
    const { limiter, take, left } = setUp();
    expect(limiter.settle(take(ten, 8), 3)).toBe(true);
    expect(left(ten)).toBe(7);
    expect(limiter.settle(take(ten, 7), 0)).toBe(true);
    expect(left(ten)).toBe(7);
  });

  it('gives back less by what has refilled since', () => {
    const { clock, limiter, take, left } = setUp();
    const receipt = take(ten, 8);
    take(ten, 2);
    clock.advanceMs(2000);
    // Three were used, and 2 of the 5 that were not have come back by themselves.
    void limiter.settle(receipt, 3);
    expect(left(ten)).toBe(5);
  });

  it('takes more where it cost more, down to an empty bucket', () => {
    const { limiter, take, left, wait } = setUp();
    void limiter.settle(take(ten, 4), 7);
    expect([left(ten), wait(ten)]).toEqual([3, 0]);
    void limiter.settle(take(ten, 3), 1000);
    expect([left(ten), wait(ten)]).toEqual([0, 1]);
  });

  it('takes more than there is where maxDebt lets it, and not beyond', () => {
    const { clock, limiter, take, wait } = setUp();
    void limiter.settle(take(lent, 4), 12);
    expect([wait(lent), wait(lent, 10)]).toEqual([3, 12]);
    clock.advanceMs(3000);
    void limiter.settle(take(lent, 1), 1_000_000);
    expect(wait(lent)).toBe(6);
    clock.advanceMs(5999.999);
    expect(wait(lent)).toBe(0.000001);
  });

  it('leaves what is owed already as it is, even above what the policy lets it owe', () => {
    const { limiter, take, wait } = setUp();
    void limiter.settle(take(lent, 1), 100);
    expect(wait(lent)).toBe(6);
    const lower = new Policy({ name: 'lent', capacity: 2, refillTokens: 1, refillSeconds: 1 });
    void limiter.settle({ charges: [{ policy: lower, subject: SUBJECT, cost: 1 }], takenAtMicros: 0 }, 2);
    expect(wait(lent)).toBe(6);
  });

  it('counts in steps where tokens arrive in steps', () => {
    const { clock, limiter, take, left } = setUp();
    const [early, late] = [take(stepped, 4), take(stepped, 4)];
    clock.advanceMs(9000);
    void limiter.settle(early, 1);
    expect(left(stepped)).toBe(5);
    clock.advanceMs(1000);
    take(stepped, 10);
    void limiter.settle(late, 0);
    expect(left(stepped)).toBe(0);
  });

  it('counts once, as a refund does, whichever comes first', () => {
    const { limiter, take, left } = setUp();
    const [settled, refunded] = [take(ten, 4), take(ten, 4)];
    expect([limiter.settle(settled, 2), limiter.settle(settled, 0), limiter.refund(settled)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(left(ten)).toBe(4);
    expect([limiter.refund(refunded), limiter.settle(refunded, 9)]).toEqual([true, false]);
    expect(left(ten)).toBe(8);
  });

  it('changes nothing for what is no cost, and the receipt can be settled still', () => {
    const { limiter, consume, left } = setUp();
    const [receipt] = consume([ten, lent].map((policy) => ({ policy, subject: SUBJECT, cost: 4 }))).receipts;
    for (const cost of [-1, 0.5, NaN, Infinity, '3', undefined]) {
      // Of the second charge only, when the first one has been looked at.
      const costs = ({ policy }: Charge) => (policy === ten ? 9 : (cost as number));
      expect(() => limiter.settle(receipt!, costs)).toThrow(InvalidChargeError);
    }
    expect(() =>
      limiter.settle(receipt!, () => {
        throw new Error('no account');
      }),
    ).toThrow('no account');
    expect([left(ten), left(lent)]).toEqual([6, 6]);
    expect(limiter.settle(receipt!, 1)).toBe(true);
    expect([left(ten), left(lent)]).toEqual([9, 9]);
  });

  it('corrects every charge of a receipt, each in its own direction', () => {
    const { limiter, consume, left, wait } = setUp();
    const [receipt] = consume([
      { policy: ten, subject: SUBJECT, cost: 6 },
      { policy: lent, subject: SUBJECT, cost: 6 },
      { policy: ten, subject: 'user:2', cost: 6 },
    ]).receipts;
    const used = ({ policy, subject }: Charge) => (subject === 'user:2' ? 6 : policy === ten ? 1 : 13);
    expect(limiter.settle(receipt!, used)).toBe(true);
    expect([left(ten), left(lent), wait(lent)]).toEqual([9, 0, 4]);
    expect(limiter.peek({ policy: ten, subject: 'user:2' })).toMatchObject({ remaining: 4 });
  });

  it('leaves other subjects and policies alone', () => {
    const { limiter, take, left } = setUp();
    void limiter.settle(take(ten, 4), 100);
    expect(left(lent)).toBe(10);
    expect(limiter.peek({ policy: ten, subject: 'user:2' })).toMatchObject({ remaining: 10 });
  });
});

/** Memory that answers later, and fails when told to. */
class LateStorage extends MemoryStorage {
  failure: StorageFailureError | undefined;

  override get isAvailable(): boolean {
    return this.failure === undefined;
  }

  override consume(charges: readonly Charge[]): never {
    return this.later(() => super.consume(charges)) as never;
  }

  override refund(charges: readonly Charge[], thenMicros: number): never {
    return this.later(() => super.refund(charges, thenMicros)) as never;
  }

  override owe(debts: readonly Owed[]): never {
    return this.later(() => super.owe(debts)) as never;
  }

  private async later<T>(answer: () => MaybePromise<T>): Promise<T> {
    if (this.failure !== undefined) throw this.failure;
    return answer();
  }
}

describe('settle with a storage that answers later', () => {
  const AWAY = new StorageFailureError('away', { isUncharged: true });

  function setUpLate() {
    const clock = new ManualClock();
    const storage = new LateStorage({ clock });
    const makeMemory = () => new MemoryStorage({ clock });
    const outage = new OutageStorage(storage, { onStorageFailure: 'local', instances: 1, makeMemory });
    const limiter = new RateLimiter(outage);
    const receiptOf = async (cost: number): Promise<Receipt> =>
      (await limiter.consume({ policy: lent, subject: SUBJECT, cost })).receipts[0]!;
    const left = async () => (await limiter.peek({ policy: lent, subject: SUBJECT })).remaining;
    return { storage, limiter, receiptOf, left };
  }

  it('answers with a promise, and true once both directions are done', async () => {
    const { limiter, receiptOf, left } = setUpLate();
    const receipt = await receiptOf(4);
    const settled = limiter.settle(receipt, 1);
    expect(settled).toBeInstanceOf(Promise);
    // Already while the storage is at it.
    expect(limiter.settle(receipt, 0)).toBe(false);
    expect(await settled).toBe(true);
    expect(await left()).toBe(9);
  });

  it('fails with the storage, and then counts as done: it may have been', async () => {
    const { storage, limiter, receiptOf, left } = setUpLate();
    const [cheap, dear] = [await receiptOf(4), await receiptOf(4)];
    storage.failure = AWAY;
    await expect(limiter.settle(cheap, 0)).rejects.toBe(AWAY);
    await expect(limiter.settle(dear, 9)).rejects.toBe(AWAY);
    storage.failure = undefined;
    expect([limiter.settle(cheap, 0), limiter.refund(dear)]).toEqual([false, false]);
    expect(await left()).toBe(2);
  });

  it('corrects what this process counted in an outage here, and what is carried back of it', async () => {
    const { storage, limiter, receiptOf, left } = setUpLate();
    storage.failure = AWAY;
    const [cheap, dear] = [await receiptOf(6), await receiptOf(2)];
    expect(await limiter.settle(cheap, 1)).toBe(true);
    expect(await left()).toBe(7);
    expect(await limiter.settle(dear, 5)).toBe(true);
    expect(await left()).toBe(4);
    storage.failure = undefined;
    // 1 of the 6 and the 2 are carried back; an overrun stays with this process.
    expect(await left()).toBe(7);
  });

  it('corrects after the outage what was charged before it, and here what was charged in it', async () => {
    const { storage, limiter, receiptOf, left } = setUpLate();
    const before = await receiptOf(4);
    storage.failure = AWAY;
    const during = await receiptOf(4);
    storage.failure = undefined;
    expect(await limiter.settle(before, 1)).toBe(true);
    expect(await left()).toBe(5);
    expect(await limiter.settle(during, 1)).toBe(true);
    // What was carried back already stays there.
    expect(await left()).toBe(5);
  });
});

describe('What is no receipt', () => {
  it.each([
    [null, 'null'],
    [undefined, 'undefined'],
    [42, '42'],
    [{}, '{}'],
    [[], '[]'],
    [{ charges: [] }, '{"charges":[]}'],
  ])('is neither refunded nor settled: %p', (given, shown) => {
    const { limiter } = setUp();
    const receipt = given as unknown as Receipt;
    for (const use of [() => limiter.refund(receipt), () => limiter.settle(receipt, 0)]) {
      expect(use).toThrow(InvalidChargeError);
      expect(use).toThrow(
        `The receipt is ${shown}; expected one of decision.receipts, of which a decision that denied has none.`,
      );
    }
  });

  it('is a decision itself, of which nothing is taken for spent', () => {
    const { consume, left, limiter } = setUp();
    const decision = consume({ policy: ten, subject: SUBJECT, cost: 4 });
    expect(() => limiter.refund(decision as unknown as Receipt)).toThrow(InvalidChargeError);
    expect(limiter.refund(decision.receipts[0]!)).toBe(true);
    expect(left(ten)).toBe(10);
  });
});
