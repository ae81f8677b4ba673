import { StorageTimeoutError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import type { RedisAvailability } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.mjs';
import { eventually } from '../support/redis-testing.js';

/** No connection that hangs up again and again is made more often. */
const SHORTEST_PAUSE_MS = 250;
const AWAY = expect.stringMatching(/^RedisStorage: Redis is away \(/) as string;
const BACK = 'RedisStorage: Redis is back.';
const policy = new Policy({ capacity: 1_000_000, perSeconds: 3600 });
const isScript = (data: Buffer): boolean => /eval/i.test(data.toString('latin1'));

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
  storage = storageOf(proxy.url);
});

afterEach(async () => {
  await storage.close();
  await proxy.stop();
});

function storageOf(url: string): RedisStorage {
  lines = [];
  changes = [];
  return new RedisStorage({
    url,
    logger: { warn: (line) => lines.push(line) },
    onAvailability: (change) => changes.push(change),
  });
}

/** Asks for decisions one after the other, as long as it takes, and answers what the errors of those were that failed. */
async function askUntil(condition: () => boolean): Promise<unknown[]> {
  const errors: unknown[] = [];
  await eventually(async () => {
    try {
      await storage.consume([{ policy, subject: 'user:1', cost: 1 }]);
    } catch (error) {
      errors.push(error);
    }
    return condition();
  });
  return errors;
}

test('a server that greets and hangs up at the first question is away once, and connected to four times a second', async () => {
  await storage.open();
  proxy.isToBeCut = isScript;
  proxy.cutAll();
  const [before, times, beginMs] = [proxy.connections, 8, performance.now()];
  await askUntil(() => proxy.connections >= before + times);
  // The first two come at once, because a connection may be lost for any reason.
  expect(performance.now() - beginMs).toBeGreaterThan((times - 2) * SHORTEST_PAUSE_MS);
  expect(lines).toEqual([AWAY]);
  expect(changes.map(({ available }) => available)).toEqual([false]);

  proxy.isToBeCut = () => false;
  await eventually(() => storage.isAvailable);
  await storage.consume([{ policy, subject: 'user:1', cost: 1 }]);
  expect(lines).toEqual([AWAY, BACK]);
  expect(changes.map(({ available }) => available)).toEqual([false, true]);
});

test('nobody waits for a server that greets and then says nothing', async () => {
  await storage.open();
  proxy.onRequest = (data) => (proxy.questions = isScript(data) ? 'drop' : 'pass on');
  proxy.cutAll();
  const before = proxy.connections;
  // It is left after two seconds and more.
  const errors = await askUntil(() => proxy.connections >= before + 2);
  expect(errors.length).toBeGreaterThan(50);
  expect(errors.filter((error) => error instanceof StorageTimeoutError)).toEqual([]);
  expect(lines).toEqual([AWAY]);

  proxy.onRequest = () => (proxy.questions = 'pass on');
  await eventually(() => storage.isAvailable);
  expect(lines).toEqual([AWAY, BACK]);
});

test('a server that appears late without the database is not back, and counts nothing in another', async () => {
  proxy.newcomers = 'reset';
  storage = storageOf(`${proxy.url}/99`);
  await storage.open();
  proxy.heal();
  await eventually(() => lines.some((line) => line.includes('does not have the database')));
  let asked = 0;
  const errors = await askUntil(() => ++asked === 20);
  expect(errors).toHaveLength(20);
  expect(storage.isAvailable).toBe(false);
  expect(lines).toEqual([
    expect.stringContaining('Starting without it'),
    expect.stringMatching(/the database .*Remedy: name one/),
  ]);
  expect(changes.map(({ available }) => available)).toEqual([false]);
});
