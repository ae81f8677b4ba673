import type { Redis } from 'ioredis';
import { Policy } from '../../src/core/policy.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { startRedis } from '../support/redis-server.mjs';
import { plainClient } from '../support/redis-testing.js';

/** Nothing refills while a test runs. */
const hourly = new Policy({ capacity: 10, perSeconds: 3600 });
const ABUSERS = 200;
const KEYS_A_ROUND = 2000;

let server: Awaited<ReturnType<typeof startRedis>>;
let admin: Redis;
let storage: RedisStorage;
let lines: string[];

beforeEach(async () => {
  lines = [];
  server = await startRedis();
  admin = plainClient({}, server.url);
  storage = new RedisStorage({
    url: server.url,
    deadlineMs: 5000,
    denyCache: false,
    logger: { warn: (line) => lines.push(line) },
  });
  await storage.open();
});
afterEach(async () => {
  await storage.close();
  await admin.quit();
  await server.stop();
});

const ask = async (subject: string, cost = 1) => (await storage.consume([{ policy: hourly, subject, cost }])).allowed;
const abusers = Array.from({ length: ABUSERS }, (_, i) => `abuser:${i}`);

async function statistic(section: string, name: string): Promise<number> {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(await admin.info(section))![1]);
}

/** So many more clients than memory is left for, each of which takes a token of a bucket of its own. */
async function flood(round: number): Promise<void> {
  const count = { length: KEYS_A_ROUND };
  const asked = Array.from(count, (_, i) => ask(`passer-by:${round}:${i}`));
  expect((await Promise.all(asked)).every((allowed) => allowed)).toBe(true);
}

async function fillUp(evictionPolicy: string): Promise<void> {
  for (const abuser of abusers) expect(await ask(abuser, 10)).toBe(true);
  await flood(0);
  await admin.config('SET', 'maxmemory-policy', evictionPolicy);
  // It looks at so many keys before it throws one out: nearly always it meets one that is full sooner than most.
  await admin.config('SET', 'maxmemory-samples', '64');
  await admin.config('SET', 'maxmemory', await statistic('memory', 'used_memory'));
}

describe('a Redis that is full', () => {
  test('throws out the buckets that are full soonest with volatile-ttl, so that who has used his up stays denied', async () => {
    await fillUp('volatile-ttl');
    for (let round = 1; round <= 5; round++) {
      await flood(round);
      const admitted = await Promise.all(abusers.map((abuser) => ask(abuser)));
      expect(admitted.filter(Boolean)).toHaveLength(0);
    }
    const evicted = await statistic('stats', 'evicted_keys');
    console.log(`volatile-ttl: ${evicted} buckets thrown out, none of the ${ABUSERS} that were empty`);
    expect(evicted).toBeGreaterThan(KEYS_A_ROUND);
    expect(lines).toEqual([]);
  });

  test('gives whoever loses a bucket no more than one capacity each time, whatever it throws out', async () => {
    await fillUp('allkeys-random');
    let admitted = ABUSERS * hourly.capacity;
    for (let round = 1; round <= 5; round++) {
      await flood(round);
      for (const abuser of abusers) while (await ask(abuser)) admitted++;
    }
    const evicted = await statistic('stats', 'evicted_keys');
    const excess = admitted - ABUSERS * hourly.capacity;
    console.log(`allkeys-random: ${evicted} buckets thrown out, ${excess} tokens given out once more`);
    expect(excess).toBeGreaterThan(0);
    expect(excess).toBeLessThanOrEqual(evicted * hourly.capacity);
    expect(lines).toEqual([]);
  });
});
