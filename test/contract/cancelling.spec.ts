import type { Charge } from '../../src/core/charge.js';
import { Policy } from '../../src/core/policy.js';
import { reserving } from '../../src/core/reservation.js';
import type { RateLimitStorage } from '../../src/core/storage.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { awkwardPolicies } from '../support/redis-policies.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { withScriptClock } from '../support/redis-script-clock.js';
import { deleteUnder, keysUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

/** 2100-01-01, which no server's clock has reached: Redis must not expire what is still to be read. */
const FAR_AHEAD_MICROS = 4_102_444_800_000_000;
const OPERATIONS = 6000;

const client = plainClient();
const prefixes: string[] = [];

afterAll(async () => {
  for (const prefix of prefixes) await deleteUnder(client, prefix);
  await client.quit();
});

function redisAt(clock: ManualClock): RedisStorage {
  const prefix = uniquePrefix();
  prefixes.push(prefix);
  const options = { client: withScriptClock(client, clock), reuseConnection: true, deadlineMs: 10_000 };
  return new RedisStorage({ ...options, prefix, denyCache: false });
}

const STORAGES: [string, (clock: ManualClock) => RateLimitStorage][] = [
  ['memory', (clock) => new MemoryStorage({ clock })],
  ['Redis', redisAt],
];

describe.each(STORAGES)('what was reserved in %s', (_name, create) => {
  const policy = new Policy({ name: 'six', capacity: 6, perSeconds: 60 }); // a token every 10 s
  const patient = reserving(policy, 3_600_000_000);
  let clock: ManualClock;
  let storage: RateLimitStorage;
  beforeEach(() => {
    clock = new ManualClock(FAR_AHEAD_MICROS);
    storage = create(clock);
  });

  const charge = (cost: number, by = patient): Charge => ({ policy: by, subject: 'user:1', cost });
  const tokensOwed = async () => (await storage.peek([charge(1, policy)])).debtUnits[0]! / policy.refillMicros;

  it('goes beyond the capacity, up to what refills in the longest wait', async () => {
    const shortly = reserving(policy, 20_000_000);
    expect((await storage.consume([charge(6, policy)])).allowed).toBe(true);
    expect((await storage.consume([charge(2, shortly)])).allowed).toBe(true);
    expect((await storage.consume([charge(1, shortly)])).allowed).toBe(false);
    expect((await storage.consume([charge(1, policy)])).allowed).toBe(false);
    clock.advanceMs(10_000);
    expect((await storage.consume([charge(1, shortly)])).allowed).toBe(true);
    expect(await tokensOwed()).toBe(8);
  });

  it('is taken back as a whole if nothing was charged since', async () => {
    await storage.consume([charge(6)]);
    const reply = await storage.consume([charge(4)]);
    clock.advanceMs(30_000);
    expect(await storage.cancel(charge(4), reply)).toBe(true);
    expect(await tokensOwed()).toBe(3);
    expect(await storage.cancel(charge(4), reply)).toBe(false);
    expect(await tokensOwed()).toBe(3);
  });

  it('stays if anything was charged since, until that is taken back itself', async () => {
    const first = await storage.consume([charge(6)]);
    const second = await storage.consume([charge(3)]);
    const third = await storage.consume([charge(2)]);
    expect(await storage.cancel(charge(3), second)).toBe(false);
    expect(await storage.cancel(charge(6), first)).toBe(false);
    expect(await tokensOwed()).toBe(11);
    for (const [cost, reply] of [
      [2, third],
      [3, second],
      [6, first],
    ] as const) {
      expect(await storage.cancel(charge(cost), reply)).toBe(true);
    }
    expect(await tokensOwed()).toBe(0);
  });

  it('is gone when it has drained, or the bucket was made full', async () => {
    const drained = await storage.consume([charge(6)]);
    clock.advanceMs(60_000);
    expect(await storage.cancel(charge(6), drained)).toBe(false);
    const reset = await storage.consume([charge(6)]);
    await storage.reset([charge(1)]);
    expect(await storage.cancel(charge(6), reset)).toBe(false);
    expect(await tokensOwed()).toBe(0);
  });

  it('leaves a full bucket, and no key, when it was all there was', async () => {
    const reply = await storage.consume([charge(2)]);
    expect(await storage.cancel(charge(2), reply)).toBe(true);
    expect(await tokensOwed()).toBe(0);
    if (storage instanceof MemoryStorage) expect(storage.size).toBe(0);
    else expect(await keysUnder(client, prefixes.at(-1)!)).toEqual([]);
  });

  it('is never taken out of a sliding window', async () => {
    const window = new Policy({ name: 'window', capacity: 6, perSeconds: 60, algorithm: 'sliding-window-log' });
    const reply = await storage.consume([charge(2, window)]);
    expect(await storage.cancel(charge(2, window), reply)).toBe(false);
  });

  it('is owed no more than the bound that is named, and nothing that is owed is lowered', async () => {
    const owe = async (tokens: number, most: number) =>
      storage.owe([
        { policy, subject: 'user:1', debtUnits: tokens * policy.refillMicros, mostUnits: most * policy.refillMicros },
      ]);
    await owe(4, 9);
    expect(await tokensOwed()).toBe(4);
    await owe(7, 9);
    expect(await tokensOwed()).toBe(9);
    await owe(3, 5);
    expect(await tokensOwed()).toBe(9);
    clock.advanceMs(50_000);
    await owe(3, 5);
    expect(await tokensOwed()).toBe(5);
  });
});

test('memory and Redis reserve, take back and owe up to a bound alike', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const inMemory = new MemoryStorage({ clock });
  const inRedis = redisAt(clock);
  const policies = awkwardPolicies().filter(
    ({ windowMicros, capacityUnits }) => windowMicros === 0 && capacityUnits < 2 ** 50,
  );
  const taken: {
    charge: Charge;
    replies: [Awaited<ReturnType<RedisStorage['consume']>>, ReturnType<MemoryStorage['consume']>];
  }[] = [];
  const counts = { reserved: 0, denied: 0, cancelled: 0, kept: 0, owed: 0 };
  for (let operation = 0; operation < OPERATIONS; operation++) {
    const policy = random.pick(policies.slice(operation % 4, (operation % 4) + 3));
    const tokenMicros = Math.ceil(policy.refillMicros / policy.refillTokens);
    clock.advanceMicros(random.pick([0, 0, 0, 1, random.integer(0, tokenMicros)]));
    const subject = random.pick(['user:1', 'user:2']);
    const at = [operation, random.seed];
    if (random.next() < 0.4 && taken.length > 0) {
      const back = random.next() < 0.7 ? taken.length - 1 : random.integer(0, taken.length - 1);
      const [{ charge, replies }] = taken.splice(back, 1) as [(typeof taken)[number]];
      const expected = inMemory.cancel(charge, replies[1]);
      expect([at, await inRedis.cancel(charge, replies[0])]).toEqual([at, expected]);
      counts[expected ? 'cancelled' : 'kept']++;
    } else if (random.next() < 0.1) {
      const debtUnits = random.integer(1, policy.capacityUnits);
      const debts = [{ policy, subject, debtUnits, mostUnits: random.integer(0, 2 * policy.capacityUnits) }];
      inMemory.owe(debts);
      await inRedis.owe(debts);
      counts.owed++;
    } else {
      const charge = {
        policy: reserving(policy, 4 * tokenMicros),
        subject,
        cost: random.integer(1, Math.min(3, policy.capacity)),
      };
      const expected = inMemory.consume([charge]);
      const reply = await inRedis.consume([charge]);
      expect([at, reply]).toEqual([at, expected]);
      if (reply.allowed) taken.push({ charge, replies: [reply, expected] });
      counts[reply.allowed ? 'reserved' : 'denied']++;
    }
  }
  console.log(`equivalence of reservations, seed ${random.seed}: 0 differences in`, counts);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(OPERATIONS / 200);
}, 120_000);
