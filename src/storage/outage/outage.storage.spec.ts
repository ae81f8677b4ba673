import type { PolicyDefinition, StorageFailureMode } from '../../core/bucket-shape.js';
import type { Bucket, Charge } from '../../core/charge.js';
import { InvalidChargeError, StorageFailureError } from '../../core/errors.js';
import { Policy } from '../../core/policy.js';
import { RateLimiter } from '../../core/rate-limiter.js';
import { type MaybePromise, type Owed, RateLimitStorage, type StorageReply } from '../../core/storage.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { EVEN_POLICIES, STEPPED_POLICIES } from '../../../test/property/support/awkward-policies.js';
import { IntervalBound } from '../../../test/property/support/interval-bound.js';
import { OracleBucket } from '../../../test/property/support/oracle.js';
import { histories, type Random } from '../../../test/property/support/random.js';
import { MemoryStorage } from '../memory/memory.storage.js';
import { Carries } from './carries.js';
import { OutageStorage } from './outage.storage.js';

/**
 * What becomes of a question: answered; refused without being asked ('away': and it is known beforehand); or a failure
 * after which it is unknown whether it was charged.
 */
type Fault = 'none' | 'away' | 'refused' | 'lost question' | 'lost answer' | Error;

const NOT_ASKED = new StorageFailureError('not asked', { isUncharged: true });
const UNKNOWN = new StorageFailureError('unknown');

/** Memory that fails on command, at once or with a promise, and remembers what it was asked. */
class FailingStorage extends RateLimitStorage {
  fault: Fault = 'none';
  isLate = false;
  readonly asked: string[] = [];
  readonly owings: Owed[][] = [];
  readonly memory: MemoryStorage;

  constructor(clock: ManualClock) {
    super();
    this.memory = new MemoryStorage({ clock });
  }

  override get isAvailable(): boolean {
    return this.fault !== 'away';
  }

  override consume(charges: readonly Charge[]): MaybePromise<StorageReply> {
    return this.answer('consume', () => this.memory.consume(charges));
  }

  override peek(charges: readonly Charge[]): MaybePromise<StorageReply> {
    return this.answer('peek', () => this.memory.peek(charges));
  }

  override refund(charges: readonly Charge[], thenMicros: number): MaybePromise<void> {
    return this.answer('refund', () => this.memory.refund(charges, thenMicros));
  }

  override grant(charges: readonly Charge[]): MaybePromise<void> {
    return this.answer('grant', () => this.memory.grant(charges));
  }

  override reset(buckets: readonly Bucket[]): MaybePromise<void> {
    return this.answer('reset', () => this.memory.reset(buckets));
  }

  override owe(debts: readonly Owed[]): MaybePromise<void> {
    this.owings.push([...debts]);
    return this.answer('owe', () => this.memory.owe(debts));
  }

  private answer<T>(question: string, ask: () => T): MaybePromise<T> {
    this.asked.push(question);
    if (!this.isLate) return this.outcome(ask);
    try {
      return Promise.resolve(this.outcome(ask));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private outcome<T>(ask: () => T): T {
    if (this.fault === 'none') return ask();
    if (this.fault === 'lost answer') ask();
    if (this.fault instanceof Error) throw this.fault;
    throw this.fault === 'away' || this.fault === 'refused' ? NOT_ASKED : UNKNOWN;
  }
}

const SUBJECT = 'user:1';
/** A token every 10 s. */
const six = (onStorageFailure?: StorageFailureMode, name = 'six'): Policy =>
  new Policy({ name, capacity: 6, perSeconds: 60, onStorageFailure });

function setUp({
  onStorageFailure = 'local',
  instances = 1,
}: { onStorageFailure?: StorageFailureMode; instances?: number } = {}) {
  const clock = new ManualClock();
  const storage = new FailingStorage(clock);
  const outage = new OutageStorage(storage, {
    onStorageFailure,
    instances,
    makeMemory: () => new MemoryStorage({ clock }),
  });
  const limiter = new RateLimiter(outage);
  const consume = async (policy: Policy | readonly Policy[], cost = 1, subject = SUBJECT) =>
    limiter.consume([policy].flat().map((one) => ({ policy: one, subject, cost })));
  /** How many of so many requests are admitted. */
  const admitted = async (policy: Policy | readonly Policy[], tries = 20): Promise<number> => {
    let count = 0;
    for (let i = 0; i < tries; i++) if ((await consume(policy)).allowed) count++;
    return count;
  };
  /** Tokens that the storage itself counts as taken. */
  const taken = (policy: Policy): number =>
    storage.memory.peek([{ policy, subject: SUBJECT, cost: 1 }]).debtUnits[0]! / policy.refillMicros;
  return { clock, storage, outage, limiter, consume, admitted, taken };
}

const AWAY: Fault[] = ['away', 'refused'];
const UNKNOWNS: Fault[] = ['lost question', 'lost answer'];

describe.each([
  ['at once', false],
  ['with a promise', true],
])('Before a storage that answers %s', (_, isLate) => {
  const start = (options?: Parameters<typeof setUp>[0]) => {
    const all = setUp(options);
    all.storage.isLate = isLate;
    return all;
  };

  test('nothing is changed as long as the storage answers', async () => {
    const { storage, outage, limiter, consume } = start({ instances: 3 });
    const asked = outage.consume([{ policy: six(), subject: SUBJECT, cost: 2 }]);
    expect(asked instanceof Promise).toBe(isLate);
    expect(await asked).toEqual({ allowed: true, nowMicros: expect.any(Number) as number, debtUnits: [20_000_000] });
    const decision = await consume(six(), 4);
    expect(decision).toMatchObject({ allowed: true, remaining: 0, isWithoutStorage: false });
    expect((await limiter.peek({ policy: six(), subject: SUBJECT })).retryAfterMs).toBe(10_000);
    await limiter.refund(decision.receipts[0]!);
    await limiter.reset({ policy: six(), subject: SUBJECT });
    expect(storage.asked).toEqual(['consume', 'consume', 'peek', 'refund', 'reset']);
  });

  test.each(['local', 'allow', 'deny'] as const)('a denial is no failure (%s)', async (mode) => {
    const { storage, consume, admitted } = start({ onStorageFailure: mode });
    expect(await admitted(six())).toBe(6);
    expect(await consume(six())).toMatchObject({ allowed: false, retryAfterMs: 10_000, isWithoutStorage: false });
    expect(await consume(six(), 7)).toMatchObject({ allowed: false, retryAfterMs: Infinity, isWithoutStorage: false });
    expect(storage.asked).toHaveLength(22);
  });

  test.each([
    ['what no bucket can be asked for', new InvalidChargeError('no')],
    ['an error of the storage itself', new TypeError('x is undefined')],
  ])('%s is no failure to answer', async (_what, fault) => {
    for (const mode of ['local', 'allow', 'deny'] as const) {
      const { storage, consume, admitted } = start({ onStorageFailure: mode });
      storage.fault = fault;
      await expect(consume(six())).rejects.toBe(fault);
      storage.fault = 'none';
      expect(await admitted(six())).toBe(6);
      expect(storage.owings).toEqual([]);
    }
  });

  describe.each([...AWAY, ...UNKNOWNS])('when it fails (%s)', (fault) => {
    test.each([
      [1, 6],
      [2, 3],
      [3, 2],
      [4, 1],
      [6, 1],
      [7, 1],
      [1000, 1],
    ])('one of %d instances admits %d of six by itself', async (instances, share) => {
      const { storage, clock, admitted, consume } = start({ instances });
      storage.fault = fault;
      expect(await admitted(six())).toBe(share);
      const denied = await consume(six());
      expect(denied).toMatchObject({ allowed: false, isWithoutStorage: true, receipts: [] });
      expect(denied.retryAfterMs).toBe(10_000 * instances);
      clock.advanceMs(denied.retryAfterMs - 0.001);
      expect(await admitted(six())).toBe(0);
      clock.advanceMs(0.001);
      expect(await admitted(six())).toBe(1);
    });

    test('a cost above the share is admitted from a full share, one above the limit never', async () => {
      const { storage, clock, consume } = start({ instances: 3 });
      storage.fault = fault;
      expect((await consume(six(), 5)).allowed).toBe(true);
      expect((await consume(six(), 1)).allowed).toBe(false);
      expect(await consume(six(), 7)).toMatchObject({ allowed: false, retryAfterMs: Infinity });
      clock.advanceMs(150_000);
      expect((await consume(six(), 5)).allowed).toBe(true);
    });

    test("'allow' admits whatever it costs and counts nothing", async () => {
      const { storage, consume, admitted, taken } = start({ onStorageFailure: 'allow', instances: 3 });
      storage.fault = fault;
      expect(await admitted(six(), 50)).toBe(50);
      expect(await consume(six(), 7)).toMatchObject({ allowed: true, isWithoutStorage: true });
      storage.fault = 'none';
      if (fault !== 'lost answer') expect(await admitted(six())).toBe(6);
      expect(storage.owings).toEqual([]);
      expect(taken(six())).toBe(6);
    });

    test("'deny' fails with the error of the storage and counts nothing", async () => {
      const { storage, consume, admitted } = start({ onStorageFailure: 'deny' });
      storage.fault = fault;
      const error = UNKNOWNS.includes(fault) ? UNKNOWN : NOT_ASKED;
      for (let i = 0; i < 3; i++) await expect(consume(six())).rejects.toBe(error);
      storage.fault = 'none';
      if (fault !== 'lost answer') expect(await admitted(six())).toBe(6);
      expect(storage.owings).toEqual([]);
    });

    test('each policy has its say before the module has', async () => {
      for (const general of ['local', 'allow', 'deny'] as const) {
        const { storage, consume, admitted } = start({ onStorageFailure: general });
        storage.fault = fault;
        expect(await admitted(six('local', 'a'))).toBe(6);
        expect(await admitted(six('allow', 'b'))).toBe(20);
        await expect(consume(six('deny', 'c'))).rejects.toThrow(StorageFailureError);
      }
    });

    const MODES = ['local', 'allow', 'deny'] as const;
    const mixes = MODES.flatMap((a) => MODES.flatMap((b) => MODES.map((c) => [a, b, c] as const)));

    test.each(mixes)('of one request: %s, %s and %s', async (...modes) => {
      const { storage, consume, admitted } = start();
      const policies = modes.map((mode, i) => six(mode, `p${i}`));
      storage.fault = fault;
      if (modes.includes('deny')) {
        for (let i = 0; i < 3; i++) await expect(consume(policies)).rejects.toThrow(StorageFailureError);
        // Nothing was counted for the others.
        for (const [i, mode] of modes.entries()) if (mode === 'local') expect(await admitted(policies[i]!)).toBe(6);
        return;
      }
      // Takes the second one down to one token, where it is counted.
      for (let i = 0; i < 5; i++) await consume(policies[1]!);
      const first = await consume(policies);
      expect(first).toMatchObject({ allowed: true, isWithoutStorage: true });
      const left = modes.map((mode, i) => (mode === 'allow' ? 6 : i === 1 ? 0 : 5));
      expect(first.policies.map(({ remaining }) => remaining)).toEqual(left);
      const second = await consume(policies);
      expect(second.allowed).toBe(modes[1] === 'allow');
      expect(second.policies.map(({ allowed }) => allowed)).toEqual(
        modes.map((mode, i) => i !== 1 || mode === 'allow'),
      );
      // All or none: a denial by one takes nothing of the others.
      for (const i of [0, 2]) {
        const rest = modes[1] === 'allow' ? 4 : 5;
        if (modes[i] === 'local') expect(await admitted(policies[i]!)).toBe(rest);
      }
    });
  });

  describe('What was given out while it was away', () => {
    test.each(AWAY)('is carried back before the next decision about the bucket, and only once (%s)', async (fault) => {
      const { storage, consume, admitted, taken } = start();
      storage.fault = fault;
      expect((await consume(six(), 4)).allowed).toBe(true);
      storage.fault = 'none';
      storage.asked.length = 0;
      expect(await consume(six())).toMatchObject({ allowed: true, remaining: 1, isWithoutStorage: false });
      expect(storage.asked).toEqual(['owe', 'consume']);
      expect(await admitted(six())).toBe(1);
      expect(storage.asked.filter((question) => question === 'owe')).toHaveLength(1);
      expect(storage.owings).toEqual([
        [{ policy: expect.any(Policy) as Policy, subject: SUBJECT, debtUnits: 40_000_000 }],
      ]);
      expect(storage.owings[0]![0]!.policy.intervalMicros).toBe(six().intervalMicros);
      expect(taken(six())).toBe(6);
    });

    test('is what has not refilled since, by the rate of this instance', async () => {
      for (const [instances, owedTokens] of [
        [1, 1],
        [2, 2],
        [3, 1 + 1 / 2 + 1 / 6],
      ] as const) {
        const { storage, clock, consume } = start({ instances });
        storage.fault = 'away';
        const cost = instances === 1 ? 4 : instances === 2 ? 3 : 2;
        expect((await consume(six(), cost)).allowed).toBe(true);
        const refilled = cost - owedTokens;
        clock.advanceMs(Math.round(refilled * 10_000 * instances));
        storage.fault = 'none';
        await consume(six());
        expect(storage.owings.flat().map(({ debtUnits }) => debtUnits)).toEqual([
          expect.closeTo(owedTokens * six().refillMicros, -1),
        ]);
      }
    });

    test('is nothing when all of it has refilled', async () => {
      const { storage, clock, consume, admitted } = start();
      storage.fault = 'away';
      await consume(six(), 4);
      clock.advanceMs(40_000);
      storage.fault = 'none';
      expect(await admitted(six())).toBe(6);
      expect(storage.owings).toEqual([]);
    });

    test('comes on top of what the storage counted, even above the capacity', async () => {
      const { storage, clock, consume, taken } = start();
      await consume(six(), 5);
      storage.fault = 'away';
      await consume(six(), 6);
      storage.fault = 'none';
      const denied = await consume(six());
      expect(denied).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: 60_000 });
      expect(taken(six())).toBe(11);
      clock.advanceMs(60_000);
      expect((await consume(six())).allowed).toBe(true);
    });

    test('is carried back bucket by bucket, as they are asked about', async () => {
      const { storage, consume } = start();
      const [a, b, c] = [six('local', 'a'), six('local', 'b'), six('allow', 'c')];
      storage.fault = 'away';
      await consume([a, b, c], 2);
      await consume(a, 3, 'user:2');
      storage.fault = 'none';
      await consume([b, c], 1);
      const names = () =>
        storage.owings.map((debts) => debts.map(({ policy, subject }) => `${subject} ${policy.name}`));
      expect(names()).toEqual([['user:1 b']]);
      await consume([a, b, c], 1);
      expect(names()).toEqual([['user:1 b'], ['user:1 a']]);
      await consume(a, 1, 'user:2');
      expect(names()).toEqual([['user:1 b'], ['user:1 a'], ['user:2 a']]);
      expect(storage.owings.at(-1)![0]!.debtUnits).toBe(3 * a.refillMicros);
    });

    test.each(UNKNOWNS)('is nothing when it is unknown whether the storage has it (%s)', async (fault) => {
      const { storage, consume, taken } = start();
      storage.fault = fault;
      expect((await consume(six(), 4)).allowed).toBe(true);
      storage.fault = 'none';
      expect((await consume(six())).isWithoutStorage).toBe(false);
      expect(storage.owings).toEqual([]);
      expect(taken(six())).toBe(fault === 'lost answer' ? 5 : 1);
    });

    test('is only what the storage certainly has not, of several', async () => {
      const { storage, consume, taken } = start();
      storage.fault = 'lost answer';
      await consume(six(), 2);
      storage.fault = 'away';
      await consume(six(), 3);
      storage.fault = 'none';
      expect(await consume(six())).toMatchObject({ allowed: true, remaining: 0 });
      expect(taken(six())).toBe(6);
    });

    test('is not lost by a request that fails in the outage, because another of its limits says so', async () => {
      for (const fault of AWAY) {
        const { storage, consume, taken } = start();
        const [local, deny] = [six('local', 'local'), six('deny', 'deny')];
        storage.fault = fault;
        await consume(local, 4);
        await expect(consume([local, deny])).rejects.toThrow(StorageFailureError);
        await new Promise(setImmediate);
        storage.fault = 'none';
        await consume([local, deny]);
        expect(taken(local)).toBe(5);
      }
    });

    test('is kept while carrying it back certainly fails, and given up when that is unknown', async () => {
      const { storage, consume, taken } = start();
      storage.fault = 'away';
      await consume(six(), 3);
      storage.fault = 'refused';
      await consume(six(), 1);
      await new Promise(setImmediate);
      storage.fault = 'none';
      await consume(six(), 1);
      expect(taken(six())).toBe(5);

      for (const fault of UNKNOWNS) {
        await setUpAgain(fault);
      }
    });

    async function setUpAgain(fault: Fault): Promise<void> {
      const { storage, consume, taken } = start();
      storage.fault = 'away';
      await consume(six(), 3);
      storage.fault = fault;
      await consume(six(), 1);
      await new Promise(setImmediate);
      storage.fault = 'none';
      await consume(six(), 1);
      expect(storage.owings).toHaveLength(1);
      expect(taken(six())).toBe(fault === 'lost answer' ? 5 : 1);
    }

    test('is what the outages gave out together', async () => {
      const { storage, consume, taken } = start();
      for (const cost of [1, 2]) {
        storage.fault = 'away';
        await consume(six(), cost);
        storage.fault = 'none';
        await consume(six('local', 'other'));
      }
      await consume(six());
      expect(taken(six())).toBe(4);
      // The process goes on from what it gave out in the outages before.
      storage.fault = 'away';
      expect((await consume(six(), 4)).allowed).toBe(false);
      expect((await consume(six(), 3)).allowed).toBe(true);
    });
  });

  describe('A receipt', () => {
    test.each(['away', 'none'] as Fault[])(
      'of an outage gives back to the process, never to the storage (%s)',
      async (later) => {
        const { storage, limiter, consume, admitted, taken } = start();
        storage.fault = 'away';
        const decision = await consume(six(), 4);
        await consume(six(), 1);
        storage.fault = later;
        storage.asked.length = 0;
        expect(await limiter.refund(decision.receipts[0]!)).toBe(true);
        expect(await limiter.refund(decision.receipts[0]!)).toBe(false);
        expect(storage.asked).toEqual([]);
        storage.fault = 'none';
        await consume(six());
        expect(taken(six())).toBe(2);
        storage.fault = 'away';
        expect(await admitted(six())).toBe(5);
      },
    );

    test('of an outage, given back after its debt was carried, stays with the process', async () => {
      const { storage, limiter, consume, admitted, taken } = start();
      storage.fault = 'away';
      const decision = await consume(six(), 4);
      storage.fault = 'none';
      await consume(six());
      await limiter.refund(decision.receipts[0]!);
      expect(storage.asked).not.toContain('refund');
      expect(taken(six())).toBe(5);
      storage.fault = 'away';
      expect(await admitted(six())).toBe(6);
    });

    test('of an outage gives back no more than what has not refilled', async () => {
      const { storage, clock, limiter, consume, admitted } = start();
      storage.fault = 'away';
      const decision = await consume(six(), 4);
      clock.advanceMs(30_000);
      await consume(six(), 5);
      await limiter.refund(decision.receipts[0]!);
      expect(await admitted(six())).toBe(1);
    });

    test.each(UNKNOWNS)('of which nobody knows whether the storage has it lowers no other debt (%s)', async (fault) => {
      const { storage, limiter, consume, admitted, taken } = start();
      storage.fault = fault;
      const decision = await consume(six(), 3);
      storage.fault = 'away';
      expect(await admitted(six())).toBe(3);
      await limiter.refund(decision.receipts[0]!);
      storage.fault = 'none';
      await limiter.peek({ policy: six(), subject: SUBJECT });
      expect(storage.owings.flat().map(({ debtUnits }) => debtUnits)).toEqual([3 * six().refillMicros]);
      expect(taken(six())).toBe(fault === 'lost answer' ? 6 : 3);
    });

    test('of an outage before the latest lowers no debt of that one', async () => {
      const { storage, clock, limiter, consume, taken } = start({ instances: 2 });
      storage.fault = 'away';
      const decision = await consume(six(), 3);
      clock.advanceMicros(1);
      storage.fault = 'none';
      await limiter.peek({ policy: six(), subject: SUBJECT });
      clock.advanceMs(30_000);
      expect(taken(six())).toBe(0);
      storage.fault = 'away';
      expect((await consume(six(), 1)).allowed).toBe(true);
      await limiter.refund(decision.receipts[0]!);
      storage.fault = 'none';
      await limiter.peek({ policy: six(), subject: SUBJECT });
      expect(taken(six())).toBe(1);
    });

    test.each(AWAY)(
      'of an outage gives back to the process also when others were charged since (%s)',
      async (fault) => {
        const { storage, clock, limiter, consume, taken } = start();
        const slow = new Policy({ name: 'slow', capacity: 6, perSeconds: 6 * 86_400 });
        storage.fault = fault;
        const decision = await consume(slow, 4);
        await new Promise(setImmediate);
        for (const cost of [1, 1]) {
          clock.advanceMs(10);
          await consume(slow, cost);
          await new Promise(setImmediate);
        }
        clock.advanceMs(10);
        await limiter.refund(decision.receipts[0]!);
        storage.fault = 'none';
        await limiter.peek({ policy: slow, subject: SUBJECT });
        expect(taken(slow)).toBeCloseTo(2, 5);
      },
    );

    test('of a bucket whose debt was carried lowers none that was made since; of another bucket it does', async () => {
      const { storage, clock, limiter, consume, taken } = start();
      const [a, b] = ['a', 'b'].map((name) => new Policy({ name, capacity: 6, perSeconds: 6 * 86_400 })) as [
        Policy,
        Policy,
      ];
      storage.fault = 'away';
      const [ofA, ofB] = [await consume(a, 3), await consume(b, 3)];
      clock.advanceMs(10);
      storage.fault = 'none';
      await limiter.peek({ policy: a, subject: SUBJECT });
      storage.fault = 'away';
      clock.advanceMs(10);
      for (const policy of [a, b]) await consume(policy, 2);
      for (const { receipts } of [ofA, ofB]) await limiter.refund(receipts[0]!);
      storage.fault = 'none';
      for (const policy of [a, b]) await limiter.peek({ policy, subject: SUBJECT });
      expect(taken(a)).toBeCloseTo(5, 5);
      expect(taken(b)).toBeCloseTo(2, 5);
    });

    test('of limits of which some were not counted gives back to those that were', async () => {
      const { storage, limiter, consume, admitted } = start();
      const [allow, local] = [six('allow', 'allow'), six('local', 'local')];
      storage.fault = 'away';
      const decision = await consume([allow, local], 6);
      expect(await admitted(local)).toBe(0);
      await limiter.refund(decision.receipts[0]!);
      expect(await admitted(local)).toBe(6);
    });

    test('of the storage goes to the storage, and fails while that is away', async () => {
      const { storage, limiter, consume, admitted, taken } = start();
      const [first, second] = [await consume(six(), 4), await consume(six(), 2)];
      storage.fault = 'away';
      expect(await admitted(six(), 3)).toBe(3);
      await expect(async () => limiter.refund(first.receipts[0]!)).rejects.toThrow(StorageFailureError);
      expect(await admitted(six())).toBe(3);
      storage.fault = 'none';
      await limiter.refund(second.receipts[0]!);
      expect(taken(six())).toBe(4);
    });
  });

  test('reset makes the buckets full here and there, so that nothing of them is owed', async () => {
    const { storage, limiter, consume, admitted, taken } = start({ instances: 2 });
    await consume(six(), 5);
    storage.fault = 'away';
    await consume(six(), 3);
    await consume(six('local', 'other'), 3);
    storage.fault = 'none';
    await limiter.reset({ policy: six(), subject: SUBJECT });
    expect(taken(six())).toBe(0);
    expect(await admitted(six())).toBe(6);
    expect(storage.owings).toEqual([]);
    storage.fault = 'away';
    expect(await admitted(six())).toBe(3);
    expect(await admitted(six('local', 'other'))).toBe(0);
  });

  describe('peek', () => {
    test.each([...AWAY, ...UNKNOWNS])(
      'gives the answer that consume would give, and takes nothing (%s)',
      async (fault) => {
        for (const mode of ['local', 'allow'] as const) {
          const { storage, limiter, consume } = start({ onStorageFailure: mode, instances: 2 });
          storage.fault = fault;
          const look = async (cost = 1) => limiter.peek({ policy: six(), subject: SUBJECT, cost });
          for (let i = 0; i < 5; i++) {
            expect(await look()).toMatchObject({ allowed: true, isWithoutStorage: true, receipts: [] });
          }
          expect((await look()).remaining).toBe(3);
          const [looked, taken] = [await look(3), await consume(six(), 3)];
          expect([looked.allowed, looked.isWithoutStorage]).toEqual([taken.allowed, taken.isWithoutStorage]);
          const [after, refused] = [await look(), await consume(six())];
          expect(after).toMatchObject({ allowed: mode === 'allow', isWithoutStorage: true });
          expect([after.allowed, after.remaining, after.retryAfterMs]).toEqual([
            refused.allowed,
            refused.remaining,
            refused.retryAfterMs,
          ]);
          storage.fault = 'none';
          expect((await look()).isWithoutStorage).toBe(false);
        }
      },
    );

    test.each([...AWAY, ...UNKNOWNS])("fails where one of the limits says 'deny' (%s)", async (fault) => {
      const { storage, limiter } = start();
      storage.fault = fault;
      const charges = [six(), six('deny', 'other')].map((policy) => ({ policy, subject: SUBJECT }));
      await expect(async () => limiter.peek(charges)).rejects.toThrow(StorageFailureError);
    });

    test('after it counts what was given out meanwhile', async () => {
      const { storage, limiter, consume, taken } = start();
      storage.fault = 'away';
      await consume(six(), 4);
      storage.fault = 'none';
      storage.asked.length = 0;
      expect((await limiter.peek({ policy: six(), subject: SUBJECT })).remaining).toBe(2);
      expect(storage.asked).toEqual(['owe', 'peek']);
      expect((await consume(six())).remaining).toBe(1);
      expect(taken(six())).toBe(5);
    });
  });

  test.each(AWAY)('reset while it is away fails, and makes full what this process counts (%s)', async (fault) => {
    const { storage, limiter, consume, admitted, taken } = start();
    await consume(six(), 2);
    storage.fault = fault;
    expect(await admitted(six())).toBe(6);
    await expect(async () => limiter.reset({ policy: six(), subject: SUBJECT })).rejects.toBe(NOT_ASKED);
    expect(await admitted(six(), 4)).toBe(4);
    storage.fault = 'none';
    await limiter.peek({ policy: six(), subject: SUBJECT });
    expect(taken(six())).toBe(6);
  });
});

describe('A receipt that is given back while its debt is on its way to the storage', () => {
  const slow = new Policy({ name: 'slow', capacity: 6, perSeconds: 6 * 86_400 });
  /** Whatever is carried back arrives, or fails, when the test says so. */
  const start = () => {
    const all = setUp();
    const { clock, storage, outage } = all;
    const carried: ((error?: Error) => Promise<void>)[] = [];
    storage.owe = (debts) =>
      new Promise((resolve, reject) => {
        carried.push(async (error) => {
          if (error === undefined) storage.memory.owe(debts);
          if (error === undefined) resolve();
          else reject(error);
          await new Promise(setImmediate);
        });
      });
    const spend = async (cost: number) => {
      storage.fault = 'away';
      const { receipts } = await all.consume(slow, cost);
      storage.fault = 'none';
      clock.advanceMs(10);
      return receipts[0]!;
    };
    const carry = () => {
      void outage.peek([{ policy: slow, subject: SUBJECT, cost: 1 }]);
      clock.advanceMs(10);
    };
    return { ...all, carried, spend, carry };
  };

  test.each([
    ['is owed no longer when it certainly failed', NOT_ASKED, 1],
    ['stays charged when it arrived', undefined, 5],
    ['lowers no other debt when nobody knows', UNKNOWN, 1],
  ])('%s', async (_, error, expected) => {
    const { limiter, carried, spend, carry, taken } = start();
    const receipt = await spend(4);
    carry();
    await spend(1);
    await limiter.refund(receipt);
    await carried[0]!(error);
    carry();
    await carried[1]!();
    expect(taken(slow)).toBeCloseTo(expected, 5);
  });

  test.each([
    ['arrived', undefined, true],
    ['is of unknown outcome', UNKNOWN, true],
    ['certainly failed', NOT_ASKED, false],
  ])('is kept no longer than until the debt %s', async (_, error, isSettled) => {
    const settled = jest.spyOn(Carries.prototype, 'succeeded');
    const { storage, carried, spend, carry } = start();
    await spend(4);
    carry();
    expect(settled).not.toHaveBeenCalled();
    await carried[0]!(error);
    expect(settled).toHaveBeenCalledTimes(isSettled ? 1 : 0);
    storage.owe = () => {};
    await spend(1);
    carry();
    expect(settled).toHaveBeenCalledTimes(isSettled ? 2 : 1);
    settled.mockRestore();
  });

  test.each([
    // What was charged before one that arrived is taken for carried: owed too much rather than too little.
    ['the first', [NOT_ASKED, undefined], 6],
    ['the second', [undefined, NOT_ASKED], 4],
    ['neither', [undefined, undefined], 6],
    ['both', [NOT_ASKED, NOT_ASKED], 0],
  ] as const)('is told from those that were carried before and after it: %s of two fails', async (_, errors, left) => {
    for (const order of [
      [0, 1],
      [1, 0],
    ] as const) {
      const { limiter, carried, spend, carry, taken } = start();
      const first = await spend(4);
      carry();
      const second = await spend(2);
      carry();
      for (const receipt of [first, second]) await limiter.refund(receipt);
      for (const i of order) await carried[i]!(errors[i]);
      carry();
      await carried[2]?.();
      expect(taken(slow)).toBeCloseTo(left, 4);
    }
  });
});

test('what one node of a cluster has not heard is carried back again, and what another has heard is not', async () => {
  const { storage, consume, taken } = setUp();
  const [a, b] = [six('local', 'a'), six('local', 'b')];
  storage.fault = 'away';
  await consume([a, b], 2);
  storage.fault = 'none';
  const owe = storage.owe.bind(storage);
  const isOfA = (debts: readonly Owed[]) => debts.some(({ policy }) => policy.name === 'a');
  storage.owe = (debts) => (isOfA(debts) ? Promise.reject(NOT_ASKED) : owe(debts));
  await consume([a, b]);
  await new Promise(setImmediate);
  storage.owe = owe;
  await consume([a, b]);
  expect([taken(a), taken(b)]).toEqual([4, 4]);
});

test('away, the storage is not asked; with a limit that denies, it makes the error', async () => {
  const { storage, consume } = setUp();
  storage.fault = 'away';
  for (let i = 0; i < 20; i++) await consume(six());
  await consume([six('allow', 'a'), six()]);
  expect(storage.asked).toEqual([]);
  await expect(consume([six('deny', 'd'), six()])).rejects.toBe(NOT_ASKED);
  expect(storage.asked).toEqual(['consume']);
});

test('what it says of an outage has the time of this process, even when the clock of the machine was set', async () => {
  const { clock, storage, limiter } = setUp();
  clock.unixMicros = () => clock.nowMicros() + 3_600_000_000;
  const ask = async () => limiter.consume([six(), six('allow', 'b')].map((policy) => ({ policy, subject: SUBJECT })));
  const timesOf = async () => (await ask()).policies.map(({ nowMicros, unixMicros }) => [nowMicros, unixMicros]);
  const nowMicros = clock.nowMicros();
  expect(await timesOf()).toEqual(Array.from({ length: 2 }, () => [nowMicros, undefined]));
  for (const fault of [...AWAY, ...UNKNOWNS]) {
    storage.fault = fault;
    expect(await timesOf()).toEqual(Array.from({ length: 2 }, () => [nowMicros, nowMicros + 3_600_000_000]));
  }
  const alone = await limiter.peek({ policy: six(), subject: SUBJECT });
  expect(alone.mostRestrictive.unixMicros).toBe(nowMicros + 3_600_000_000);
});

test('a failure is one, also when the storage comes from another copy of the package', async () => {
  const { storage, consume, taken } = setUp();
  jest.isolateModules(() => {
    const other = jest.requireActual<typeof import('../../core/errors.js')>('../../core/errors.js');
    storage.fault = new other.StorageFailureError('not asked', { isUncharged: true });
  });
  expect(await consume(six(), 2)).toMatchObject({ allowed: true, isWithoutStorage: true });
  const fault = storage.fault;
  const owe = jest.spyOn(storage, 'owe').mockImplementationOnce(() => {
    throw fault;
  });
  storage.fault = 'none';
  expect(await consume(six())).toMatchObject({ isWithoutStorage: false });
  await consume(six());
  expect(owe).toHaveBeenCalledTimes(2);
  expect(taken(six())).toBe(4);
});

test('a storage that cannot be opened leaves nothing open', async () => {
  const intervals = jest.spyOn(globalThis, 'setInterval');
  const { storage, outage } = setUp();
  storage.open = () => Promise.reject(new Error('no'));
  await expect(outage.open()).rejects.toThrow('no');
  expect(intervals).not.toHaveBeenCalled();
  storage.open = () => {};
  await outage.open();
  expect(intervals).toHaveBeenCalledTimes(2);
  await outage.close();
  intervals.mockRestore();
});

test('opens and closes the storage, and its clock is that of the storage', async () => {
  const { storage, outage } = setUp();
  const calls: string[] = [];
  storage.open = async () => void calls.push('open');
  storage.close = async () => void calls.push('close');
  storage.unixMicros = (nowMicros) => nowMicros + 7;
  await outage.open();
  expect(outage.unixMicros(5)).toBe(12);
  await outage.close();
  expect(calls).toEqual(['open', 'close']);
});

test('serves a storage of an earlier version, which knows neither isAvailable nor owe', async () => {
  const { storage: real, clock } = setUp();
  const earlier = {
    consume: (charges: readonly Charge[]) => real.consume(charges),
    peek: (charges: readonly Charge[]) => real.peek(charges),
  } as unknown as RateLimitStorage;
  const makeMemory = () => new MemoryStorage({ clock });
  const outage = new OutageStorage(earlier, { onStorageFailure: 'local', instances: 1, makeMemory });
  const charges = [{ policy: six(), subject: SUBJECT, cost: 6 }];
  expect(await outage.consume(charges)).toMatchObject({ allowed: true });
  real.fault = 'refused';
  expect(await outage.consume(charges)).toMatchObject({ allowed: true, madeInstead: [{ cost: 6 }] });
  real.fault = 'none';
  expect(await outage.consume(charges)).toMatchObject({ allowed: false });
});

describe('Around outages', () => {
  const HISTORIES = 12;
  const OPERATIONS = 250;

  interface History {
    readonly random: Random;
    readonly definition: PolicyDefinition;
    readonly instances: number;
    /** How many outages at most. */
    readonly outages: number;
    /** The limit whose bound is taken; default: the definition itself. */
    readonly boundOf?: PolicyDefinition;
  }

  /** Greedy instances on one storage that goes away and comes back; the worst interval, in parts of a token. */
  function worstExcess({ random, definition, instances, outages, boundOf = definition }: History) {
    const clock = new ManualClock(1_700_000_000_000_000);
    const storage = new FailingStorage(clock);
    const makeMemory = () => new MemoryStorage({ clock });
    const options = { onStorageFailure: 'local', instances, makeMemory } as const;
    const fleet = Array.from({ length: instances }, () => new OutageStorage(storage, options));
    const policy = new Policy(definition);
    const oracle = new OracleBucket(boundOf, clock.nowMicros());
    const bound = new IntervalBound(oracle);
    const fill = Math.min(Math.ceil(policy.capacityUnits / policy.refillTokens) + policy.intervalMicros, 1e13);
    let left = outages;
    let admitted = 0;
    for (let i = 0; i < OPERATIONS; i++) {
      if (random.chance(0.4)) clock.advanceMicros(random.pick([1, random.below(fill) + 1, Math.ceil(fill / 10), fill]));
      if (random.chance(0.1)) {
        if (storage.fault === 'away') storage.fault = 'none';
        else if (left-- > 0) storage.fault = 'away';
      }
      // A share's worth or less, so that no cost is larger than a share.
      const most = Math.max(1, Math.floor(policy.capacity / instances));
      const cost = random.chance(0.6) ? most : random.between(1, most);
      const reply = random.pick(fleet).consume([{ policy, subject: SUBJECT, cost }]) as StorageReply;
      if (!reply.allowed) continue;
      bound.add(clock.nowMicros(), cost);
      admitted++;
    }
    return { excess: bound.worstExcess, oracle, admitted, carried: storage.owings.length };
  }

  test.each(EVEN_POLICIES)('a process alone admits at most 2C and r·T of $name in any interval', (definition) => {
    let [admitted, carried] = [0, 0];
    histories(83, HISTORIES, (random) => {
      const told = worstExcess({ random, definition, instances: 1, outages: 1 });
      admitted += told.admitted;
      carried += told.carried;
      // IntervalBound takes off one C itself.
      if (told.excess > told.oracle.capacity * told.oracle.parts) throw new Error(`${told.excess} parts too many`);
    });
    expect(admitted).toBeGreaterThan(HISTORIES);
    expect(carried).toBeGreaterThan(0);
  });

  test.each(STEPPED_POLICIES)('so it does of $name, and what two steps bring', (definition) => {
    histories(89, HISTORIES, (random) => {
      const { excess, oracle } = worstExcess({ random, definition, instances: 1, outages: 1 });
      // Without the storage tokens arrive evenly: sooner than in steps, by less than one of them; debts drain so, too.
      const most = oracle.capacity * oracle.parts + 2n * oracle.partsPerDrop;
      if (excess > most) throw new Error(`${excess} parts, more than ${most}`);
    });
    expect(definition.refillEverySeconds).toBeGreaterThan(0);
  });

  test.each(EVEN_POLICIES)('of $name at most 2C and 2r·T, however many outages there are', (definition) => {
    const { capacity, perSeconds, refillTokens = capacity, refillSeconds = perSeconds! } = definition;
    // As the bound of one limit of twice everything.
    const boundOf = { capacity: 2 * capacity, refillTokens: 2 * refillTokens, refillSeconds };
    histories(97, HISTORIES, (random) => {
      const { excess } = worstExcess({ random, definition, instances: 1, outages: Infinity, boundOf });
      if (excess > 0n) throw new Error(`${excess} parts too many`);
    });
    expect(definition.capacity).toBeGreaterThan(0);
  });

  // What an instance gave out is carried back before its own next decision; others may decide before that.
  test.each(EVEN_POLICIES)(
    'several processes admit at most 3C and r·T of $name, or a token each more',
    (definition) => {
      histories(101, HISTORIES, (random) => {
        const instances = random.pick([2, 3, 7]);
        const { excess, oracle } = worstExcess({ random, definition, instances, outages: 1 });
        const extra = Number(oracle.capacity) < instances ? BigInt(instances) : 1n;
        const most = (2n * oracle.capacity + extra) * oracle.parts;
        if (excess > most) throw new Error(`${instances} instances: ${excess} parts, more than ${most}`);
      });
      expect(definition.capacity).toBeGreaterThan(0);
    },
  );
});
