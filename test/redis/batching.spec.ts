import type { Charge } from '../../src/core/charge.js';
import type { StorageFailureError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import type { StorageReply } from '../../src/core/storage.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import type { RedisClient } from '../../src/storage/redis/client.js';
import { Batch, Decision } from '../../src/storage/redis/batch.js';
import { Breaker } from '../../src/storage/redis/breaker.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { awkwardPolicies, otherAlgorithms } from '../support/redis-policies.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { FAR_AHEAD_MICROS, withScriptClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';
import { told } from '../support/storage-replies.js';

const BURSTS = 400;

const client = plainClient();
const prefix = uniquePrefix();
const three = new Policy({ name: 'three', capacity: 3, perSeconds: 60 });
const five = new Policy({ name: 'five', capacity: 5, perSeconds: 60 });

afterAll(async () => {
  await deleteUnder(client, prefix);
  await client.quit();
});

/** A storage at the time of a clock, and the calls that it made: how many keys each asked about. */
function observed(clock: ManualClock): { storage: RedisStorage; calls: number[] } {
  const calls: number[] = [];
  const atClock = withScriptClock(client, clock);
  const counting: RedisClient = {
    ...atClock,
    evalsha: (sha1, keyCount, ...rest) => {
      calls.push(keyCount);
      return atClock.evalsha(sha1, keyCount, ...rest);
    },
  };
  const options = { client: counting, reuseConnection: true, prefix, deadlineMs: 10_000, denyCache: false };
  return { storage: new RedisStorage(options), calls };
}

/** As an application meets them: many equal, some of another cost, some of several limits. */
function randomBurst(random: SeededRandom, policies: readonly Policy[]): Charge[][] {
  const burst: Charge[][] = [];
  const length = random.pick([1, 2, 5, 30, 100]);
  while (burst.length < length) {
    const charges = new Map<string, Charge>();
    for (let i = random.pick([1, 1, 1, 2, 3]); i > 0; i--) {
      const policy = random.pick(policies);
      const subject = random.pick(['user:1', 'user:2', 'ip:203.0.113.7']);
      const cost = random.pick([1, 1, 2, Math.ceil(policy.capacity / 4), policy.capacity + 1]);
      charges.set(`${subject} ${policy.id}`, { policy, subject, cost });
    }
    const repeats = random.pick([1, 1, 2, 7]);
    for (let i = 0; i < repeats; i++) burst.push([...charges.values()]);
  }
  return burst;
}

test('decisions that travel together are answered as if they had come one by one, in their order', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const oneByOne = new MemoryStorage({ clock });
  const { storage, calls } = observed(clock);
  const policies = [...awkwardPolicies(), ...otherAlgorithms(), three, five];
  let decisions = 0;
  let denied = 0;
  for (let number = 0; number < BURSTS; number++) {
    clock.advanceMicros(random.pick([0, 1, 1000, 1_000_000, random.integer(0, 100_000_000)]));
    // Few, so that buckets are met again and again.
    const burst = randomBurst(random, [random.pick(policies), random.pick(policies), three, five]);
    const replies = await Promise.all(burst.map(async (charges) => storage.consume(charges)));
    const expected = burst.map((charges) => oneByOne.consume(charges));
    expect([number, random.seed, replies.map(told)]).toEqual([number, random.seed, expected.map(told)]);
    decisions += burst.length;
    denied += replies.filter(({ allowed }) => !allowed).length;
  }
  console.log(`batches, seed ${random.seed}: ${decisions} decisions, ${denied} denied, ${calls.length} calls`);
  expect(denied).toBeGreaterThan(decisions / 20);
  expect(decisions - denied).toBeGreaterThan(decisions / 20);
  expect(calls.length).toBeLessThan(decisions / 4);
}, 60_000);

describe('a call', () => {
  const ask = (storage: RedisStorage, policy: Policy, subject: string, cost = 1) =>
    Promise.resolve(storage.consume([{ policy, subject, cost }]));
  const admitted = (replies: readonly StorageReply[]) => replies.filter(({ allowed }) => allowed).length;

  let storage: RedisStorage;
  let calls: number[];
  beforeEach(async () => {
    await deleteUnder(client, prefix);
    ({ storage, calls } = observed(new ManualClock(FAR_AHEAD_MICROS)));
    await storage.peek([{ policy: three, subject: 'somebody', cost: 1 }]);
    await ask(storage, three, 'somebody else');
    calls.length = 0;
  });

  afterEach(() => storage.close());

  test('takes along all that is asked in one turn, and equal requests in a row are one key of it', async () => {
    const replies = await Promise.all([
      ...Array.from({ length: 1000 }, () => ask(storage, three, 'user:1')),
      ...Array.from({ length: 10 }, (_, i) => ask(storage, five, `user:${i}`)),
    ]);
    expect(admitted(replies)).toBe(3 + 10);
    expect(calls).toEqual([11]);
  });

  test('takes along what is asked by those who were answered together', async () => {
    const loops = Array.from({ length: 10 }, async (_, i) => {
      for (let round = 0; round < 3; round++) await ask(storage, five, `user:${i}`);
    });
    await Promise.all(loops);
    expect(calls).toEqual([10, 10, 10]);
  });

  test('asks about no more than 32 buckets, so that Redis is not held for long', async () => {
    await Promise.all(Array.from({ length: 100 }, (_, i) => ask(storage, five, `user:${i}`)));
    expect(calls).toEqual([32, 32, 32, 4]);
    calls.length = 0;
    const many = (i: number): Charge[] =>
      Array.from({ length: 20 }, (_, p) => ({
        policy: new Policy({ name: `p${p}`, capacity: 5, perSeconds: 60 }),
        subject: `user:${i}`,
        cost: 1,
      }));
    await Promise.all([
      ...[many(1), many(2)].map(async (charges) => storage.consume(charges)),
      ask(storage, five, 'user:1'),
    ]);
    expect(calls).toEqual([20, 21]);
  });

  test('weighs what a bucket costs: fewer go together of those that cost more', async () => {
    const heavy = [
      [new Policy({ name: 'counter', capacity: 5, perSeconds: 60, algorithm: 'sliding-window-counter' }), 2],
      [new Policy({ name: 'small', capacity: 5, perSeconds: 60, algorithm: 'sliding-window-log' }), 3],
      [new Policy({ name: 'long', capacity: 500, perSeconds: 60, algorithm: 'sliding-window-log' }), 8],
      [new Policy({ name: 'longest', capacity: 10_000, perSeconds: 60, algorithm: 'sliding-window-log' }), 12],
    ] as const;
    for (const [policy, weight] of heavy) {
      await Promise.all(Array.from({ length: 32 }, (_, i) => ask(storage, policy, `user:${i}`)));
      const most = Math.floor(32 / weight);
      const full = Array.from({ length: Math.floor(32 / most) }, () => most);
      expect(calls).toEqual(32 % most === 0 ? full : [...full, 32 % most]);
      calls.length = 0;
    }

    const random = new SeededRandom(seedOfThisRun());
    const weights = new Map([[five, 1] as const, ...heavy]);
    const burst = Array.from({ length: 500 }, () => random.pick([...weights.keys()]));
    await Promise.all(burst.map((policy, i) => ask(storage, policy, `user:${i}`)));
    let at = 0;
    for (const size of calls) {
      const weighs = burst.slice(at, (at += size)).reduce((sum, policy) => sum + weights.get(policy)!, 0);
      expect([random.seed, at, weighs <= 32]).toEqual([random.seed, at, true]);
      // First come, first served: the next one would have been too much.
      if (at < burst.length) expect(weighs + weights.get(burst[at]!)!).toBeGreaterThan(32);
    }
    expect(at).toBe(burst.length);
  });

  test('is of one decision where that weighs more by itself', async () => {
    const logs = Array.from({ length: 4 }, (_, i) => {
      return new Policy({ name: `log-${i}`, capacity: 10_000, perSeconds: 60, algorithm: 'sliding-window-log' });
    });
    const asked = logs.map((policy) => ({ policy, subject: 'user:1', cost: 1 }));
    const replies = await Promise.all([
      ask(storage, five, 'user:1'),
      Promise.resolve(storage.consume(asked)),
      ask(storage, five, 'user:2'),
    ]);
    expect(admitted(replies)).toBe(3);
    expect(calls).toEqual([1, 4, 1]);
  });

  test('takes all that are equal, whatever they weigh', async () => {
    const logs = [2000, 1500, 1200].map((capacity) => {
      return new Policy({ name: `log-${capacity}`, capacity, perSeconds: 60, algorithm: 'sliding-window-log' });
    });
    const asked = logs.map((policy) => ({ policy, subject: 'user:1', cost: 1 }));
    const replies = await Promise.all(Array.from({ length: 200 }, () => Promise.resolve(storage.consume(asked))));
    expect(admitted(replies)).toBe(200);
    expect(calls).toEqual([3]);
  });

  test('leaves out whoever waits no longer', async () => {
    const breaker = new Breaker({ probe: () => Promise.resolve(), onChange: () => {} });
    const batch = new Batch(
      {
        keyOf: ({ subject }) => subject,
        denials: undefined,
        breakerOf: () => breaker,
        deadlineMs: 50,
      },
      () => {},
    );
    const settled: unknown[] = [];
    const decisions = ['a', 'a', 'b', 'c', 'c'].map((subject, i) => {
      const charges = [{ policy: three, subject, cost: 1 }];
      return new Decision(
        charges,
        (reply) => settled.push([i, reply.allowed]),
        (error) => settled.push([i, error.message, (error as StorageFailureError).isUncharged]),
      );
    });
    for (const decision of decisions) batch.add(decision);
    decisions[0]!.expire(new Error('too late'));
    decisions[2]!.expire(new Error('too late'));
    // Nobody has found that out yet.
    decisions[4]!.dueMs = performance.now() - 1;
    const { keyCount, input } = batch.message();
    expect([keyCount, input.slice(0, 2)]).toEqual([2, ['a', 'c']]);
    expect(JSON.parse(input[2]!).slice(-4)).toEqual([1, 1, 1, 1]);
    batch.answer([7, 1, 0, 0, 0]);
    expect(settled).toEqual([
      [0, 'too late', true],
      [2, 'too late', true],
      [4, 'Redis was not asked within 50 ms.', true],
      [1, true],
      [3, false],
    ]);
  });

  test('is overtaken by nothing that is asked later', async () => {
    const charge = { policy: three, subject: 'user:1', cost: 3 };
    const taken = storage.consume([charge]);
    const looked = storage.peek([{ ...charge, cost: 1 }]);
    const given = storage.reset([charge]);
    const takenAgain = storage.consume([charge]);
    expect(await Promise.all([taken, looked, given, takenAgain])).toMatchObject([
      { allowed: true },
      { allowed: false },
      undefined,
      { allowed: true },
    ]);
  });
});
