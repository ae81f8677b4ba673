import type { Charge } from '../../src/core/charge.js';
import type { Decision } from '../../src/core/decision.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { DenyCache } from '../../src/storage/redis/deny-cache.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { awkwardPolicies } from '../support/redis-policies.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { withScriptClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

const FAR_AHEAD_MICROS = 4_102_444_800_000_000;

/** Two limits of every kind of refill, so that neighbours on one route differ. */
const policies = awkwardPolicies();

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
      this.pass(backMicros);
      if (!reply.allowed) this.cache.remember(charges, reply, sentMs);
    }
  }

  test('is what the server would say, for every cost, and tells no wait that is too short', () => {
    const random = new SeededRandom(seedOfThisRun());
    const network = new Network();
    const truth = new RateLimiter(network.storage);
    let answered = 0;
    let longestExtraMicros = 0;
    for (let step = 0; step < 200_000; step++) {
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
      answered++;
      const real = truth.peek(charges) as Decision;
      expect([step, random.seed, reply.allowed, real.allowed]).toEqual([step, random.seed, false, false]);
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
    console.log(`deny cache, seed ${random.seed}: ${answered} answers, at most ${longestExtraMicros} µs too long`);
    expect(answered).toBeGreaterThan(5000);
    // What it takes an answer to come back, and how much faster the clock of the server ran in a second.
    expect(longestExtraMicros).toBeLessThanOrEqual(50_600);
  });

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

  test('is not given for a limit that was changed', () => {
    const changed = new Policy({ capacity: 3, perSeconds: 60 });
    expect(changed.id).toBe(policy.id);
    expect(network.cache.replyTo([{ ...charges[0]!, policy: changed }])).toBeUndefined();
    const same = new Policy({ capacity: 2, perSeconds: 60 });
    expect(network.cache.replyTo([{ ...charges[0]!, policy: same }])).toMatchObject({ allowed: false });
  });

  test('is not given once tokens have been given back, nor because of what was asked before that', () => {
    const denied = network.cache.replyTo(charges)!;
    network.cache.forget(charges);
    expect(network.cache.replyTo(charges)).toBeUndefined();
    network.cache.remember(charges, denied, 1000);
    expect(network.cache.replyTo(charges)).toBeUndefined();
  });

  test('takes bounded memory, whoever asks', () => {
    for (let i = 0; i < 100_000; i++) {
      const reply = { allowed: false, nowMicros: FAR_AHEAD_MICROS, debtUnits: [policy.capacityUnits] };
      network.cache.remember([{ policy, subject: `user:${i}`, cost: 1 }], reply, 1e9);
    }
    const { bySubject } = network.cache as unknown as { bySubject: { size: number } };
    expect(bySubject.size).toBeLessThanOrEqual(20_000);
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

  test('has the same requests admitted for a small part of the commands', async () => {
    const random = new SeededRandom(seedOfThisRun());
    const policy = new Policy({ capacity: 20, perSeconds: 10 });
    const commands = { plain: 0, cached: 0 };
    const counting = (who: keyof typeof commands) => {
      const real = withScriptClock(client, clock);
      const evalsha: typeof real.evalsha = (...call) => {
        commands[who]++;
        return real.evalsha(...call);
      };
      return { ...real, evalsha };
    };
    const prefixes = [uniquePrefix(), uniquePrefix()] as const;
    const options = { reuseConnection: true, deadlineMs: 10_000 };
    const plain = new RedisStorage({ ...options, client: counting('plain'), prefix: prefixes[0], denyCache: false });
    const cached = new RedisStorage({ ...options, client: counting('cached'), prefix: prefixes[1] });
    let admitted = 0;
    for (let i = 0; i < 8000; i++) {
      // 40 a second, where 2 are allowed.
      const micros = random.integer(0, 50_000);
      clock.advanceMicros(micros);
      localMs += micros / 1000;
      const charges = [{ policy, subject: 'user:1', cost: random.pick([1, 1, 1, 2]) }];
      const [one, other] = [await plain.consume(charges), await cached.consume(charges)];
      expect([i, random.seed, other.allowed]).toEqual([i, random.seed, one.allowed]);
      expect(Math.abs(other.nowMicros - one.nowMicros)).toBeLessThanOrEqual(1);
      if (one.allowed) admitted++;
    }
    console.log(`abuser, seed ${random.seed}: ${admitted} admitted`, commands);
    expect(commands.cached).toBeLessThanOrEqual(0.15 * commands.plain);
    for (const prefix of prefixes) await deleteUnder(client, prefix);
  }, 60_000);
});
