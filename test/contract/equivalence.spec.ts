import type { Charge } from '../../src/core/charge.js';
import type { PolicyDefinition } from '../../src/core/bucket-shape.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import type { Decision } from '../../src/core/decision.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { awkwardPolicies, otherAlgorithms } from '../support/redis-policies.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { FAR_AHEAD_MICROS, storageAtClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

const LONG_WAIT_MICROS = 7 * 86_400_000_000;
const OPERATIONS_AT_SCRIPT_TIME = 20_000;
const OPERATIONS_AT_SERVER_TIME = 4000;
const OPERATIONS_WITH_DEBTS = 5000;
const OPERATIONS_ON_LONG_LOGS = 12_000;

const client = plainClient();
const prefixes: string[] = [];
const newPrefix = () => prefixes[prefixes.push(uniquePrefix()) - 1]!;

afterAll(async () => {
  for (const prefix of prefixes) await deleteUnder(client, prefix);
  await client.quit();
});

/** A storage whose scripts run at the time of a clock. */
function redisAt(clock: ManualClock): RedisStorage {
  return storageAtClock(client, clock, { prefix: newPrefix(), denyCache: false });
}

/** Every number a decision can be asked for. */
function numbersOf(decision: Decision): unknown {
  return {
    allowed: decision.allowed,
    policies: decision.policies.map((policy) => [
      policy.policy.id,
      policy.allowed,
      policy.nowMicros,
      policy.remaining,
      policy.retryAfterMs,
      policy.resetAfterMs,
      policy.nextTokenAfterMs,
      policy.tokensWorthMs,
    ]),
  };
}

/** Years go by seldom, or the history would leave the range of exact numbers. */
function randomWaitMicros(random: SeededRandom, policy: Policy): number {
  const waitMicros = Math.max(0, wishedWaitMicros(random, policy));
  return waitMicros < LONG_WAIT_MICROS || random.next() < 0.01 ? waitMicros : waitMicros % LONG_WAIT_MICROS;
}

/** Waits that matter: none, one µs, about a token, about a period. */
function wishedWaitMicros(random: SeededRandom, policy: Policy): number {
  const tokenMicros = Math.ceil(policy.refillMicros / policy.refillTokens);
  switch (random.integer(0, 6)) {
    case 0:
      return 0;
    case 1:
      return 1;
    case 2:
      return random.integer(0, 3);
    case 3:
      return tokenMicros + random.integer(-1, 1);
    case 4:
      return random.integer(0, 5 * tokenMicros);
    case 5:
      return random.integer(0, policy.windowMicros || Math.floor(policy.capacityUnits / policy.refillTokens));
    default:
      // As long as a window, and a µs more or less: what was charged there comes to its end.
      if (policy.windowMicros > 0) return policy.windowMicros * random.integer(0, 1) + random.integer(-1, 1);
      return policy.intervalMicros === 0 ? tokenMicros : random.integer(0, 2 * policy.intervalMicros);
  }
}

function randomCharges(random: SeededRandom, policies: readonly Policy[]): Charge[] {
  const count = random.pick([1, 1, 1, 2, 3, 8]);
  const chosen = new Map<string, Charge>();
  for (let i = 0; i < count; i++) {
    const policy = random.pick(policies);
    const subject = random.pick(['user:1', 'user:2', 'ip:203.0.113.7']);
    const most = random.pick([1, 2, Math.ceil(policy.capacity / 3), policy.capacity, policy.capacity + 2]);
    chosen.set(`${subject} ${policy.id}`, { policy, subject, cost: random.integer(1, most) });
  }
  return [...chosen.values()];
}

/** Asks both the same, for as long as they answer the same; answers how often what was asked. */
async function expectSameHistory(
  random: SeededRandom,
  clock: ManualClock,
  memory: RateLimiter,
  redis: RateLimiter,
  policies: readonly Policy[],
): Promise<Record<string, number>> {
  const receipts: [Decision['receipts'][number], Decision['receipts'][number]][] = [];
  const counts = { allowed: 0, denied: 0, peeks: 0, refunds: 0, resets: 0, grants: 0 };

  for (let operation = 0; operation < OPERATIONS_AT_SCRIPT_TIME; operation++) {
    clock.advanceMicros(randomWaitMicros(random, random.pick(policies)));
    const charges = randomCharges(random, policies);
    const kind = random.next();
    if (kind < 0.75) {
      const [inMemory, inRedis] = [await memory.consume(charges), await redis.consume(charges)];
      expect([operation, random.seed, numbersOf(inRedis)]).toEqual([operation, random.seed, numbersOf(inMemory)]);
      if (inMemory.allowed) receipts.push([inMemory.receipts[0]!, inRedis.receipts[0]!]);
      counts[inMemory.allowed ? 'allowed' : 'denied']++;
    } else if (kind < 0.85 && receipts.length > 0) {
      const latest = receipts.length - 1;
      const [[inMemory, inRedis]] = receipts.splice(random.integer(Math.max(0, latest - 20), latest), 1) as [
        (typeof receipts)[number],
      ];
      await memory.refund(inMemory);
      await redis.refund(inRedis);
      counts.refunds++;
    } else if (kind < 0.88) {
      const granted = charges[0]!;
      const tokens = Math.min(granted.cost, granted.policy.capacity);
      await Promise.all([memory.grant(granted, tokens), redis.grant(granted, tokens)]);
      counts.grants++;
    } else if (kind < 0.98) {
      const [inMemory, inRedis] = [await memory.peek(charges), await redis.peek(charges)];
      expect([operation, random.seed, numbersOf(inRedis)]).toEqual([operation, random.seed, numbersOf(inMemory)]);
      counts.peeks++;
    } else {
      await memory.reset(charges);
      await redis.reset(charges);
      counts.resets++;
    }
  }
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(OPERATIONS_AT_SCRIPT_TIME / 100);
  return counts;
}

test('at the time of a script clock memory and Redis give the same answers to the same history', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const memory = new RateLimiter(new MemoryStorage({ clock }));
  const redis = new RateLimiter(redisAt(clock));
  const counts = await expectSameHistory(random, clock, memory, redis, awkwardPolicies());
  console.log(`equivalence at script time, seed ${random.seed}: 0 differences in`, counts);
}, 120_000);

test('so they do of all algorithms, mixed on one request', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const memory = new RateLimiter(new MemoryStorage({ clock }));
  const redis = new RateLimiter(redisAt(clock));
  const others = otherAlgorithms();
  const counts = await expectSameHistory(random, clock, memory, redis, [...others, ...others, ...awkwardPolicies()]);
  console.log(`equivalence of all algorithms, seed ${random.seed}: 0 differences in`, counts);
}, 120_000);

test('and of sliding windows that are always in use', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const memory = new RateLimiter(new MemoryStorage({ clock }));
  const redis = new RateLimiter(redisAt(clock));
  const inUse = otherAlgorithms().filter(({ windowMicros, quota }) => windowMicros < 100_000_000 && quota < 1000);
  const counts = await expectSameHistory(random, clock, memory, redis, inUse);
  console.log(`equivalence of sliding windows, seed ${random.seed}: 0 differences in`, counts);
}, 120_000);

test('and of long logs, of which much is given back', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const inMemory = new RateLimiter(new MemoryStorage({ clock }));
  const inRedis = new RateLimiter(redisAt(clock));
  // Longer than what the script reads as a whole.
  const policy = new Policy({ capacity: 1800, perSeconds: 60, algorithm: 'sliding-window-log' });
  const receipts: [Decision['receipts'][number], Decision['receipts'][number]][] = [];
  const counts = { allowed: 0, denied: 0, refunds: 0, grants: 0 };
  for (let operation = 0; operation < OPERATIONS_ON_LONG_LOGS; operation++) {
    clock.advanceMicros(random.pick([1, 20_000, random.integer(0, 60_000)]) + (random.next() < 0.002 ? 30_000_000 : 0));
    // Now nearly all, now hardly any.
    if (receipts.length > 0 && random.next() < (operation % 3000 < 1000 ? 0.45 : 0.1)) {
      const latest = Math.max(0, receipts.length - random.pick([1, 2, 3000]));
      const [[one, other]] = receipts.splice(latest, 1) as [(typeof receipts)[number]];
      await Promise.all([inMemory.refund(one), inRedis.refund(other)]);
      counts.refunds++;
      continue;
    }
    if (random.next() < 0.01) {
      const tokens = random.pick([1, 10, 300]);
      const bucket = { policy, subject: 'user:1' };
      await Promise.all([inMemory.grant(bucket, tokens), inRedis.grant(bucket, tokens)]);
      counts.grants++;
    }
    const charge = { policy, subject: 'user:1', cost: random.pick([1, 1, 1, 1, 2, 300]) };
    const [expected, said] = [await inMemory.consume(charge), await inRedis.consume(charge)];
    expect([operation, random.seed, numbersOf(said)]).toEqual([operation, random.seed, numbersOf(expected)]);
    counts[expected.allowed ? 'allowed' : 'denied']++;
    if (expected.allowed) receipts.push([expected.receipts[0]!, said.receipts[0]!]);
  }
  console.log(`equivalence of long logs, seed ${random.seed}: 0 differences in`, counts);
  const { grants, ...others } = counts;
  expect(Math.min(...Object.values(others))).toBeGreaterThan(OPERATIONS_ON_LONG_LOGS / 20);
  expect(grants).toBeGreaterThan(OPERATIONS_ON_LONG_LOGS / 300);
}, 120_000);

test('of debts from elsewhere too, as many as come before they are paid', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const inMemory = new MemoryStorage({ clock });
  const inRedis = redisAt(clock);
  const policies = [...awkwardPolicies(), ...otherAlgorithms()];
  const counts = { owings: 0, allowed: 0, denied: 0 };
  for (let operation = 0; operation < OPERATIONS_WITH_DEBTS; operation++) {
    clock.advanceMicros(randomWaitMicros(random, random.pick(policies)));
    const charges = randomCharges(random, policies);
    if (random.next() < 0.2) {
      const debts = charges.map(({ policy, subject }) => {
        const most = random.pick([1, 7, policy.tokenUnits, policy.capacityUnits]);
        const mostUnits = random.pick([undefined, undefined, policy.capacityUnits, policy.capacityUnits + most]);
        return { policy, subject, debtUnits: random.integer(1, most), ...(mostUnits && { mostUnits }) };
      });
      inMemory.owe(debts);
      await inRedis.owe(debts);
      counts.owings++;
      continue;
    }
    const expected = inMemory.consume(charges);
    expect([operation, random.seed, await inRedis.consume(charges)]).toEqual([operation, random.seed, expected]);
    counts[expected.allowed ? 'allowed' : 'denied']++;
  }
  console.log(`equivalence with debts, seed ${random.seed}: 0 differences in`, counts);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(OPERATIONS_WITH_DEBTS / 100);
}, 120_000);

test('at the time of the server too', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(0);
  const memory = new RateLimiter(new MemoryStorage({ clock }));
  const storage = new RedisStorage({ client, prefix: newPrefix(), deadlineMs: 10_000, denyCache: false });
  const redis = new RateLimiter(storage);
  const policies = [...awkwardPolicies(), ...otherAlgorithms()];
  for (let operation = 0; operation < OPERATIONS_AT_SERVER_TIME; operation++) {
    const charges = randomCharges(random, policies);
    const question = random.next() < 0.8 ? 'consume' : 'peek';
    const inRedis = await redis[question](charges);
    clock.advanceMicros(inRedis.policies[0]!.nowMicros - clock.nowMicros());
    const inMemory = await memory[question](charges);
    expect([operation, random.seed, numbersOf(inRedis)]).toEqual([operation, random.seed, numbersOf(inMemory)]);
  }
  await storage.close();
}, 120_000);

test('policies that change their refill and capacity while their buckets live', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const memory = new RateLimiter(new MemoryStorage({ clock }));
  const redis = new RateLimiter(redisAt(clock));
  const shapes: PolicyDefinition[] = [
    { capacity: 7, perSeconds: 60 },
    { capacity: 11, perSeconds: 60 },
    { capacity: 60, perSeconds: 60 },
    { capacity: 7919, perSeconds: 60 },
    { capacity: 5, perSeconds: 7 },
    { capacity: 13, perSeconds: 90 },
    { capacity: 6, perSeconds: 60, refillEverySeconds: 20 },
    { capacity: 14, refillTokens: 7, refillSeconds: 30 },
  ];
  const versions = shapes.map((shape) => new Policy({ ...shape, name: 'changing' }));
  for (let operation = 0; operation < 5000; operation++) {
    const policy = random.pick(versions);
    clock.advanceMicros(randomWaitMicros(random, policy));
    const charge = { policy, subject: random.pick(['user:1', 'user:2']), cost: random.integer(1, 4) };
    const question = random.next() < 0.8 ? 'consume' : 'peek';
    const [inMemory, inRedis] = [await memory[question](charge), await redis[question](charge)];
    expect([operation, random.seed, numbersOf(inRedis)]).toEqual([operation, random.seed, numbersOf(inMemory)]);
  }
}, 120_000);
