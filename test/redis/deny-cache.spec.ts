import { WindowCounters } from '../../src/core/algorithms/sliding-window-counter.js';
import type { Algorithm } from '../../src/core/algorithm.js';
import { remainingTokens } from '../../src/core/algorithms/token-bucket.js';
import type { Charge } from '../../src/core/charge.js';
import type { Decision } from '../../src/core/decision.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { reserving } from '../../src/core/reservation.js';
import type { StorageReply } from '../../src/core/storage.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { DenyCache } from '../../src/storage/redis/deny-cache.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { awkwardPolicies, otherAlgorithms } from '../support/redis-policies.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { FAR_AHEAD_MICROS, withScriptClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

const windows = otherAlgorithms().filter(({ windowMicros }) => windowMicros > 0);

describe('an answer that is given without asking', () => {
  /** A server and an instance whose clocks have nothing to do with each other but that they run nearly alike. */
  class Network {
    readonly server = new ManualClock(FAR_AHEAD_MICROS);
    readonly storage = new MemoryStorage({ clock: this.server });
    readonly cache = new DenyCache(() => this.localMs);
    private localMs = 1000;

    pass(micros: number): void {
      // As fast as a clock that is being set right may run.
      this.server.advanceMicros(Math.round(micros * 1.0005));
      this.localMs += micros / 1000;
    }

    /** Asks the server, which takes a while on both ways. */
    ask(charges: readonly Charge[], thereMicros: number, backMicros: number): void {
      const sentMs = this.localMs;
      this.pass(thereMicros);
      const reply = this.storage.consume(charges);
      const beside = charges.flatMap((charge, i) => this.besideOf(charge, reply, i));
      this.pass(backMicros);
      if (!reply.allowed) this.cache.remember(charges, reply, beside, sentMs);
    }

    /** What the server would say now, or would have said. */
    saysAt(micros: number, charges: readonly Charge[]): StorageReply {
      jest.spyOn(this.server, 'nowMicros').mockReturnValueOnce(micros);
      return this.storage.peek(charges);
    }

    /** What the script says beside the debt of a sliding window. */
    private besideOf(charge: Charge, { instants, nowMicros }: StorageReply, i: number): number[] {
      if (charge.policy.windowMicros === 0) return [];
      const found = this.storage['windows'].find(charge);
      if (!(found instanceof WindowCounters)) {
        const { retryAtMicros, nextTokenAtMicros, fullAtMicros } = instants![i]!;
        return [retryAtMicros, nextTokenAtMicros, fullAtMicros];
      }
      const passedOn = Object.assign(new WindowCounters(), found);
      passedOn.add(charge.policy, 0, nowMicros);
      return [passedOn.startMicros, passedOn.previous, passedOn.current];
    }
  }

  test.each([
    ['token buckets', awkwardPolicies(), 200_000],
    ['sliding windows', windows, 200_000],
    ['small ones of both', [...awkwardPolicies(), ...windows].filter(({ capacity }) => capacity <= 7), 50_000],
  ])(
    'is what the server would say, for every cost, and tells no wait that is too short: %s',
    (kind, policies, steps) => {
      const random = new SeededRandom(seedOfThisRun());
      const network = new Network();
      const truth = new RateLimiter(network.storage);
      const answeredOf = new Map<Algorithm, number>();
      let answeredOfSeveral = 0;
      let longestExtraMicros = 0;
      for (let step = 0; step < steps; step++) {
        const subject = random.pick(['user:1', 'user:2']);
        const chosen = new Set(Array.from({ length: random.pick([1, 1, 2, 3]) }, () => random.pick(policies)));
        const charges = [...chosen].map((policy) => {
          const most = random.pick([1, 2, policy.capacity, policy.capacity + 1]);
          return { policy, subject, cost: random.integer(1, most) };
        });
        const backMicros = random.integer(0, 50_000);
        network.pass(random.pick([0, 1, random.integer(0, 1000), random.integer(0, 400_000)]));
        const reply = network.cache.replyTo(charges);
        if (reply === undefined) {
          network.ask(charges, random.integer(0, 50_000), backMicros);
          continue;
        }
        if (charges.length > 1) answeredOfSeveral++;
        for (const { policy } of charges) {
          answeredOf.set(policy.algorithm, (answeredOf.get(policy.algorithm) ?? 0) + 1);
        }
        const real = truth.peek(charges) as Decision;
        expect([step, random.seed, reply.allowed, real.allowed]).toEqual([step, random.seed, false, false]);
        expect([step, random.seed, reply]).toEqual([step, random.seed, network.saysAt(reply.nowMicros, charges)]);
        jest.spyOn(network.storage, 'peek').mockReturnValueOnce(reply);
        const told = truth.peek(charges) as Decision;
        told.policies.forEach((one, i) => {
          const { allowed, remaining, retryAfterMs } = real.policies[i]!;
          expect([step, one.allowed, one.remaining]).toEqual([step, allowed, remaining]);
          expect(one.retryAfterMs).toBeGreaterThanOrEqual(retryAfterMs);
        });
        if (told.retryAfterMs !== Infinity) {
          longestExtraMicros = Math.max(longestExtraMicros, (told.retryAfterMs - real.retryAfterMs) * 1000);
        }
      }
      const answered = { ...Object.fromEntries(answeredOf), answeredOfSeveral };
      console.log(`deny cache, ${kind}, seed ${random.seed}:`, answered, `at most ${longestExtraMicros} µs too long`);
      for (const count of Object.values(answered)) expect(count).toBeGreaterThan(100);
      expect(answeredOf.size).toBe(new Set(policies.map(({ algorithm }) => algorithm)).size);
      // What it takes an answer to come back, and how much faster the clock of the server ran in a second.
      expect(longestExtraMicros).toBeLessThanOrEqual(50_600);
    },
  );

  test.each(['sliding-window-log', 'sliding-window-counter'] as const)(
    'is what the server would say after the window of a limit was changed: %s',
    (algorithm) => {
      const random = new SeededRandom(seedOfThisRun());
      const network = new Network();
      const versions = [
        [3, 2],
        [3, 3],
        [5, 7],
        [4, 1],
      ].map(([capacity, perSeconds]) => new Policy({ capacity: capacity!, perSeconds: perSeconds!, algorithm }));
      let policy = versions[0]!;
      let answered = 0;
      for (let step = 0; step < 10_000; step++) {
        if (random.integer(1, 20) === 1) {
          policy = random.pick(versions);
          // What was remembered of an earlier version may have been charged since by another.
          network.pass(1_001_000);
        }
        network.pass(random.integer(0, 200_000));
        const charges = [{ policy, subject: 'user:1', cost: random.integer(1, policy.capacity) }];
        const reply = network.cache.replyTo(charges);
        if (reply === undefined) {
          network.ask(charges, random.integer(0, 20_000), random.integer(0, 20_000));
          continue;
        }
        answered++;
        const nowMicros = network.server.nowMicros();
        for (const instant of [reply.nowMicros, nowMicros]) {
          const { debtUnits, ...rest } = network.saysAt(instant, charges);
          expect([step, random.seed, { ...reply, nowMicros: instant }]).toMatchObject([step, random.seed, rest]);
          // How much more than all of it was taken is told to nobody.
          const isTold = algorithm === 'sliding-window-counter' && instant === reply.nowMicros;
          if (isTold) expect(reply.debtUnits).toEqual(debtUnits);
          else expect(remainingTokens(policy, debtUnits[0]!)).toBe(0);
          expect(remainingTokens(policy, reply.debtUnits[0]!)).toBe(0);
        }
      }
      expect(answered).toBeGreaterThan(500);
    },
  );

  const policy = new Policy({ capacity: 2, perSeconds: 60 });
  const charges = [{ policy, subject: 'user:1', cost: 1 }];
  let network: Network;
  beforeEach(() => {
    network = new Network();
    for (let i = 0; i < 3; i++) network.ask(charges, 100, 100);
  });

  test('is at most a second old', () => {
    network.pass(999_000);
    expect(network.cache.replyTo(charges)).toMatchObject({ allowed: false });
    network.pass(1000);
    expect(network.cache.replyTo(charges)).toBeUndefined();
  });

  test('is not given when one of several limits may admit', () => {
    const other = { policy: new Policy({ name: 'other', capacity: 2, perSeconds: 60 }), subject: 'user:1', cost: 1 };
    expect(network.cache.replyTo([...charges, other])).toBeUndefined();
    for (let i = 0; i < 3; i++) network.ask([other], 100, 100);
    expect(network.cache.replyTo([...charges, other])).toMatchObject({ allowed: false });
    expect(network.cache.replyTo(charges)).toMatchObject({ allowed: false });
  });

  test('is not given to one who would wait for longer', () => {
    const network = new Network();
    const policy = new Policy({ capacity: 2, perSeconds: 2 });
    const waiting = (seconds: number) => [{ policy: reserving(policy, seconds * 1_000_000), subject: 'a', cost: 1 }];
    const plain = [{ policy, subject: 'a', cost: 1 }];
    for (let i = 0; i < 3; i++) network.ask(plain, 100, 100);
    expect(network.cache.replyTo(plain)).toMatchObject({ allowed: false });
    expect(network.cache.replyTo(waiting(5))).toBeUndefined();
    for (let i = 0; i < 3; i++) network.ask(waiting(2), 100, 100);
    expect(network.cache.replyTo(waiting(2))).toMatchObject({ allowed: false });
    expect(network.cache.replyTo(plain)).toMatchObject({ allowed: false });
    expect(network.cache.replyTo(waiting(5))).toBeUndefined();
  });

  test('is not given for a limit that was changed', () => {
    const same = new Policy({ capacity: 2, perSeconds: 60 });
    expect(network.cache.replyTo([{ ...charges[0]!, policy: same }])).toMatchObject({ allowed: false });
    const changed = new Policy({ capacity: 3, perSeconds: 60 });
    expect(changed.id).toBe(policy.id);
    expect(network.cache.replyTo([{ ...charges[0]!, policy: changed }])).toBeUndefined();
    // Changed back: what was taken meanwhile is not known to what was said before.
    expect(network.cache.replyTo(charges)).toBeUndefined();
  });

  test('is not given once tokens have been given back, nor because of what was asked before that', () => {
    const denied = network.cache.replyTo(charges)!;
    network.cache.forget(charges);
    expect(network.cache.replyTo(charges)).toBeUndefined();
    network.cache.remember(charges, denied, [], 1000);
    expect(network.cache.replyTo(charges)).toBeUndefined();
  });

  test('takes bounded memory, whoever asks', () => {
    for (let i = 0; i < 100_000; i++) {
      const reply = { allowed: false, nowMicros: FAR_AHEAD_MICROS, debtUnits: [policy.capacityUnits] };
      network.cache.remember([{ policy, subject: `user:${i}`, cost: 1 }], reply, [], 1e9);
    }
    const { bySubject } = network.cache as unknown as { bySubject: { size: number } };
    expect(bySubject.size).toBeLessThanOrEqual(20_000);
  });

  test('of a log is for the costs that were asked lately, and takes bounded memory whatever they are', () => {
    const log = new Policy({ capacity: 100, perSeconds: 60, algorithm: 'sliding-window-log' });
    const ask = (cost: number) => network.ask([{ policy: log, subject: 'user:2', cost }], 100, 100);
    const isKnown = (cost: number) => network.cache.replyTo([{ policy: log, subject: 'user:2', cost }]) !== undefined;
    ask(60);
    ask(40);
    for (let cost = 2; cost < 100; cost++) ask(cost);
    const known = Array.from({ length: 101 }, (_, i) => i + 1).filter(isKnown);
    expect(known).toEqual([1, 96, 97, 98, 99, 100, 101]);
  });
});

test('nothing that was denied before a reset is denied because of it afterwards', async () => {
  const client = plainClient();
  const prefix = uniquePrefix();
  const storage = new RedisStorage({ client, prefix, deadlineMs: 5000 });
  const policy = new Policy({ capacity: 2, perSeconds: 3600 });
  const charges = [{ policy, subject: 'user:1', cost: 1 }];
  await storage.open();
  for (let i = 0; i < 20; i++) {
    for (let used = 0; used < 3; used++) await storage.consume(charges);
    storage.close().catch(() => {});
    await storage.open();
    // In one turn: the first is denied, the reset comes after it.
    const denied = Promise.resolve(storage.consume(charges));
    await storage.reset(charges);
    expect((await denied).allowed).toBe(false);
    expect(await storage.consume(charges)).toMatchObject({ allowed: true });
    await storage.reset(charges);
  }
  await storage.close();
  await deleteUnder(client, prefix);
  await client.quit();
});

describe('an abuser with twenty times the rate', () => {
  const client = plainClient();
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  let localMs = 0;
  beforeAll(() => jest.spyOn(performance, 'now').mockImplementation(() => localMs));
  afterAll(async () => {
    jest.restoreAllMocks();
    await client.quit();
  });

  /** A storage of its own for each, and how often it asked. */
  function observed(denyCache: boolean) {
    const prefix = uniquePrefix();
    const real = withScriptClock(client, clock);
    const commands: string[][] = [];
    const evalsha: typeof real.evalsha = (sha1, keyCount, ...rest) => {
      commands.push(rest.slice(0, keyCount));
      return real.evalsha(sha1, keyCount, ...rest);
    };
    const options = { reuseConnection: true, deadlineMs: 10_000, prefix, denyCache };
    return { commands, prefix, storage: new RedisStorage({ ...options, client: { ...real, evalsha } }) };
  }

  function pass(micros: number): void {
    clock.advanceMicros(micros);
    localMs += micros / 1000;
  }

  test.each(['token-bucket', 'fixed-window', 'sliding-window-log', 'sliding-window-counter'] as const)(
    'has the same requests admitted for a small part of the commands: %s',
    async (algorithm) => {
      const random = new SeededRandom(seedOfThisRun());
      const policy = new Policy({ capacity: 20, perSeconds: 10, algorithm });
      const [plain, cached] = [observed(false), observed(true)];
      let admitted = 0;
      for (let i = 0; i < 8000; i++) {
        // 40 a second, where 2 are allowed.
        pass(random.integer(0, 50_000));
        const charges = [{ policy, subject: 'user:1', cost: random.pick([1, 1, 1, 2]) }];
        const [one, other] = [await plain.storage.consume(charges), await cached.storage.consume(charges)];
        expect([i, random.seed, other.allowed, other.instants]).toEqual([i, random.seed, one.allowed, one.instants]);
        expect(Math.abs(other.nowMicros - one.nowMicros)).toBeLessThanOrEqual(1);
        if (one.allowed) admitted++;
      }
      const counts = [plain.commands.length, cached.commands.length] as const;
      console.log(`abuser of a ${algorithm}, seed ${random.seed}: ${admitted} admitted`, counts);
      expect(counts[1]).toBeLessThanOrEqual(0.15 * counts[0]);
      for (const { prefix } of [plain, cached]) await deleteUnder(client, prefix);
    },
    60_000,
  );

  test.each([
    ['the shorter', 0],
    ['the longer', 1000],
  ])('of two limits asks each time that %s alone refuses, and nothing is written then', async (which, takenBefore) => {
    const random = new SeededRandom(seedOfThisRun());
    const limits = [
      { capacity: 2, perSeconds: 1 },
      { capacity: 1000, perSeconds: 3600 },
    ];
    const charges = limits.map((limit, i) => {
      const policy = new Policy({ ...limit, name: `limit-${i}` });
      return { policy, subject: 'user:1', cost: 1 };
    });
    const { commands, prefix, storage } = observed(true);
    if (takenBefore > 0) await storage.consume([{ ...charges[1]!, cost: takenBefore }]);
    await storage.consume(charges);
    const keys = commands.at(-1)!;
    let refused = 0;
    for (let i = 0; i < 2000; i++) {
      pass(random.integer(0, 50_000));
      const [before, asked] = [await client.mget(keys), commands.length];
      const { allowed } = await storage.consume(charges);
      if (allowed) continue;
      refused++;
      const [after, asks] = [await client.mget(keys), commands.length - asked];
      expect([i, random.seed, asks, after]).toEqual([i, random.seed, 1, before]);
    }
    console.log(`abuser of two limits, ${which} refuses, seed ${random.seed}: ${refused} of 2000, all of them asked`);
    expect(refused).toBeGreaterThan(1000);
    await deleteUnder(client, prefix);
  });
});
