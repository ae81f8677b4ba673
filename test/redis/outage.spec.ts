import { setTimeout as sleep } from 'node:timers/promises';
import { StorageFailureError, StorageTimeoutError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import type { RedisAvailability } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.mjs';
import { eventually, plainClient } from '../support/redis-testing.js';

const DEADLINE_MS = 200;
const LATE = `Redis did not answer within ${DEADLINE_MS} ms.`;
const policy = new Policy({ capacity: 1_000_000, perSeconds: 3600 });
const charges = [{ policy, subject: 'user:1', cost: 1 }];

let server: Awaited<ReturnType<typeof startRedis>>;
let proxy: RedisProxy;
let storage: RedisStorage;
let lines: string[];
let changes: RedisAvailability[];

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

beforeEach(async () => {
  proxy = await RedisProxy.start(server.port);
  lines = [];
  changes = [];
  storage = new RedisStorage({
    url: proxy.url,
    deadlineMs: DEADLINE_MS,
    logger: { warn: (line) => lines.push(line) },
    onAvailability: (change) => changes.push(change),
  });
  await storage.open();
  await isBack();
  // A machine that is busy may not have answered at once.
  lines.splice(0);
  changes.splice(0);
});

afterEach(async () => {
  await storage.close();
  await proxy.stop();
});

const consume = async () => storage.consume(charges);

/** How many of so many decisions, one after the other, came to nothing, and how many of them reached the server. */
async function failuresOf(count: number): Promise<{ failed: number; sent: number }> {
  const before = proxy.requests;
  let failed = 0;
  for (let i = 0; i < count; i++) {
    await consume().catch((error: unknown) => {
      expect(error).toBeInstanceOf(StorageFailureError);
      failed++;
    });
  }
  return { failed, sent: proxy.requests - before };
}

const isBack = () =>
  eventually(() =>
    consume().then(
      () => true,
      () => false,
    ),
  );

test('a server that has stopped answering is asked five times, and then only by probes', async () => {
  proxy.answers = 'keep back';
  expect(await failuresOf(5)).toEqual({ failed: 5, sent: 5 });
  const { failed, sent } = await failuresOf(2000);
  expect(failed).toBe(2000);
  // Probes come a few times a second, whatever the load.
  expect(sent).toBeLessThan(20);
  await expect(consume()).rejects.toThrow(`Redis is not asked, because it stopped answering: ${LATE}`);
  expect(lines).toEqual([
    `RedisStorage: Redis is away (${LATE}). Until it is back, every limit follows its onStorageFailure.`,
  ]);
  proxy.release();
  await isBack();
  expect(lines.slice(1)).toEqual(['RedisStorage: Redis is back.']);
  expect(changes).toEqual([
    { available: false, reason: LATE },
    { available: true, reason: '' },
  ]);
});

test('a server that freezes under load costs no more requests than are under way', async () => {
  process.kill(server.pid, 'SIGSTOP');
  const started = Array.from({ length: 200 }, () => consume().catch(() => 'failed'));
  await Promise.all(started);
  const errors: unknown[] = [];
  const until = Date.now() + 1000;
  while (Date.now() < until) {
    await consume().catch((error: unknown) => errors.push(error));
    await sleep(1);
  }
  process.kill(server.pid, 'SIGCONT');
  await isBack();
  const waited = errors.filter((error) => error instanceof StorageTimeoutError).length;
  console.log(`frozen for a second: ${errors.length} decisions after those under way, ${waited} of them waited`);
  expect(errors.length).toBeGreaterThan(5);
  expect(waited).toBeLessThanOrEqual(5);
});

test('a lost connection is told once, and the storage asks again as soon as there is a new one', async () => {
  proxy.cutAll();
  await eventually(() => lines.length > 0);
  await isBack();
  expect(lines).toEqual([
    'RedisStorage: Redis is away (the server closed the connection). Until it is back, every limit follows its onStorageFailure.',
    'RedisStorage: Redis is back.',
  ]);
});

test('what was in the way when the storage was closed is not in the way when it is opened again', async () => {
  proxy.cutAll();
  await eventually(() => !storage.isAvailable);
  await storage.close();
  await storage.open();
  expect(storage.isAvailable).toBe(true);

  proxy.answers = 'keep back';
  await failuresOf(5);
  const late = Array.from({ length: 10 }, () => consume().catch(() => 'failed'));
  expect(storage.isAvailable).toBe(false);
  await storage.close();
  await Promise.all(late);
  const told = lines.length;
  proxy.release();
  await storage.open();
  expect(storage.isAvailable).toBe(true);
  await isBack();
  expect(lines).toHaveLength(told);
});

test('a hook that throws hurts nobody but itself', async () => {
  await storage.close();
  storage = new RedisStorage({
    url: proxy.url,
    logger: { warn: (line) => lines.push(line) },
    onAvailability: ({ available }) => {
      if (available) throw new Error('no such gauge');
      return Promise.reject(new Error('no such gauge'));
    },
  });
  await storage.open();
  proxy.cutAll();
  await isBack();
  const complaints = () => lines.filter((line) => line.includes('onAvailability threw: no such gauge'));
  await eventually(() => complaints().length === 2);
  expect(storage.isAvailable).toBe(true);
});

test.each<[how: string, warn: (line: string) => void]>([
  [
    'throws',
    () => {
      throw new Error('disk full');
    },
  ],
  ['fails later', () => Promise.reject(new Error('disk full'))],
])('a logger that %s hurts nobody: the hook is called, requests are answered', async (_how, warn) => {
  await storage.close();
  const told: string[] = [];
  storage = new RedisStorage({
    url: proxy.url,
    logger: {
      warn: (line) => {
        told.push(line);
        return warn(line);
      },
    },
    onAvailability: (change) => changes.push(change),
  });
  await storage.open();
  proxy.cutAll();
  await eventually(() => changes.length > 0);
  await isBack();
  expect(changes.map(({ available }) => available)).toEqual([false, true]);
  await storage.close();

  // One that can never be used, and appears when nobody waits for it any more.
  proxy.newcomers = 'reset';
  await storage.open();
  const admin = plainClient({}, server.url);
  try {
    await admin.acl('SETUSER', 'default', '-get');
    proxy.heal();
    await eventually(() => told.some((line) => line.includes('may not do')));
    // Jest fails for a rejection that nobody handles.
    await sleep(50);
  } finally {
    await admin.acl('SETUSER', 'default', '+@all');
    await admin.quit();
  }
});

test('a server that cannot be used when the application starts is used as soon as it can be', async () => {
  const admin = plainClient({}, server.url);
  await admin.config('SET', 'maxmemory', '1');
  await storage.close();
  await storage.open();
  expect(storage.isAvailable).toBe(false);
  await expect(consume()).rejects.toThrow('Redis is not asked, because it stopped answering: OOM');
  await admin.config('SET', 'maxmemory', '0');
  await isBack();
  expect(storage.isAvailable).toBe(true);
  expect(lines).toEqual([expect.stringContaining('Redis is away (OOM'), 'RedisStorage: Redis is back.']);
  await admin.quit();
});

test('a full server is away until it has room again', async () => {
  const admin = plainClient({}, server.url);
  await admin.config('SET', 'maxmemory', '1');
  for (let i = 0; i < 10; i++) await expect(consume()).rejects.toThrow(StorageFailureError);
  expect(changes).toEqual([{ available: false, reason: expect.stringContaining('OOM') as string }]);
  await admin.config('SET', 'maxmemory', '0');
  await isBack();
  expect(changes).toHaveLength(2);
  await admin.quit();
});

test('a user whose right was taken away is away until it is given back, and not back in between', async () => {
  const admin = plainClient({}, server.url);
  try {
    for (const right of ['evalsha', 'eval']) {
      await admin.acl('SETUSER', 'default', `-${right}`);
      await admin.script('FLUSH');
      await eventually(async () => {
        await consume().catch(() => undefined);
        return changes.at(-1)?.available === false;
      });
      const told = changes.length;
      // Time for several probes.
      await sleep(1500);
      expect(changes).toHaveLength(told);
      await admin.acl('SETUSER', 'default', `+${right}`);
      await isBack();
    }
    expect(changes.map(({ available }) => available)).toEqual([false, true, false, true]);
  } finally {
    await admin.acl('SETUSER', 'default', '+@all');
    await admin.quit();
  }
});
