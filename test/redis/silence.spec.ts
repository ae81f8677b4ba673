import { setTimeout as sleep } from 'node:timers/promises';
import { Policy } from '../../src/core/policy.js';
import type { RedisAvailability } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.mjs';
import { cleanUpAfterAll, eventually } from '../support/redis-testing.js';

/** The least that there is, for deadlines up to half of it. */
const SILENCE_LIMIT_MS = 2000;
/** Looks come at fifths of it, and six of them in vain are silence. */
const AT_MOST_MS = 1.4 * SILENCE_LIMIT_MS;
const plenty = new Policy({ capacity: 1_000_000, perSeconds: 3600 });
const logger = { warn: () => {} };

let server: Awaited<ReturnType<typeof startRedis>>;
const cleanups = cleanUpAfterAll();

beforeAll(async () => {
  server = await startRedis();
  cleanups.push(() => server.stop());
});

/** A storage behind a proxy of its own, which has decided once. */
async function throughProxy(deadlineMs: number) {
  const proxy = await RedisProxy.start(server.port);
  cleanups.push(() => proxy.stop());
  const changes: RedisAvailability[] = [];
  const onAvailability = (change: RedisAvailability) => void changes.push(change);
  const storage = new RedisStorage({ url: proxy.url, deadlineMs, onAvailability, logger });
  cleanups.push(() => storage.close());
  await storage.open();
  const isAnswered = () =>
    Promise.resolve(storage.consume([{ policy: plenty, subject: 'user:1', cost: 1 }])).then(
      ({ allowed }) => allowed,
      () => false,
    );
  await eventually(isAnswered);
  // A machine that is busy may not have answered at once.
  changes.splice(0);
  return { proxy, storage, changes, isAnswered, before: proxy.connections };
}

test.concurrent(
  'a connection that owes an answer and is silent is left for a new one',
  async () => {
    const { proxy, storage, changes, isAnswered, before } = await throughProxy(200);
    // Nothing that is sent on it arrives any more; on a new one it does.
    proxy.silenceAll();
    const begin = performance.now();
    await eventually(async () => !(await isAnswered()) && !storage.isAvailable);
    await eventually(() => proxy.connections > before, 5 * SILENCE_LIMIT_MS);
    const tookMs = performance.now() - begin;
    await eventually(isAnswered);
    console.log(`silent: a new connection after ${Math.round(tookMs)} ms`);
    expect(tookMs).toBeGreaterThan(SILENCE_LIMIT_MS);
    expect(changes.map(({ available }) => available)).toEqual([false, true]);
  },
  30_000,
);

test.concurrent(
  'so is one that owes a single answer, when nobody asks any more',
  async () => {
    const { proxy, isAnswered, before } = await throughProxy(200);
    proxy.silenceAll();
    expect(await isAnswered()).toBe(false);
    await eventually(() => proxy.connections > before, 5 * SILENCE_LIMIT_MS);
    await eventually(isAnswered);
  },
  30_000,
);

test.concurrent(
  'one that always owes an answer and gives them late is kept',
  async () => {
    const { proxy, changes, isAnswered, before } = await throughProxy(1000);
    proxy.answerDelayMs = 600;
    const end = performance.now() + AT_MOST_MS + 1000;
    let answered = 0;
    const client = async () => {
      while (performance.now() < end) if (await isAnswered()) answered++;
    };
    await Promise.all([client(), sleep(300).then(client)]);
    expect(answered).toBeGreaterThan(0);
    expect(proxy.connections).toBe(before);
    expect(changes).toEqual([]);
  },
  30_000,
);

test.concurrent(
  'one on which nobody asks anything is kept',
  async () => {
    const { proxy, changes, isAnswered, before } = await throughProxy(200);
    await sleep(AT_MOST_MS + 1000);
    await eventually(isAnswered);
    expect(proxy.connections).toBe(before);
    expect(changes).toEqual([]);
  },
  30_000,
);
