import { setTimeout as sleep } from 'node:timers/promises';
import { runInThisContext } from 'node:vm';
import type { Redis } from 'ioredis';
import { StorageFailureError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import type { RedisAvailability } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { greet, startFakeRedis } from '../support/redis-fake-server.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.mjs';
import { eventually, plainClient } from '../support/redis-testing.js';

const IN_FLIGHT = 200;
const policy = new Policy({ capacity: 2_000_000, perSeconds: 366 * 86_400 });

let server: Awaited<ReturnType<typeof startRedis>>;
let admin: Redis;
let proxy: RedisProxy;
let storage: RedisStorage;
let lines: string[];
let changes: RedisAvailability[];
let warnings: Error[];

/** Jest gives specs a copy of `process`, which hears of no warning. */
const realProcess = runInThisContext('process') as NodeJS.Process;
const onWarning = (warning: Error) => void warnings.push(warning);

beforeAll(async () => {
  server = await startRedis();
  admin = plainClient({}, server.url);
});
afterAll(async () => {
  await admin.quit();
  await server.stop();
});

beforeEach(async () => {
  proxy = await RedisProxy.start(server.port);
  [lines, changes, warnings] = [[], [], []];
  realProcess.on('warning', onWarning);
  storage = storageOn(proxy.url);
});

afterEach(async () => {
  realProcess.removeListener('warning', onWarning);
  await storage.close();
  await admin.replicaof('NO', 'ONE');
  await proxy.stop();
});

function storageOn(url: string): RedisStorage {
  return new RedisStorage({
    url,
    // Nothing here is about time: only what the server says counts.
    deadlineMs: 5000,
    logger: { warn: (line) => lines.push(line) },
    onAvailability: (change) => changes.push(change),
  });
}

const demote = () => admin.replicaof('127.0.0.1', '1');
const promote = () => admin.replicaof('NO', 'ONE');

let asked = 0;
/** What so many decisions about subjects of their own, asked at once, came to. */
async function ask(count: number): Promise<{ answered: number; refused: number; notAsked: number }> {
  const outcome = { answered: 0, refused: 0, notAsked: 0 };
  const one = async () => {
    try {
      await storage.consume([{ policy, subject: `user:${asked++}`, cost: 1 }]);
      outcome.answered++;
    } catch (error) {
      expect(error).toBeInstanceOf(StorageFailureError);
      if ((error as Error).message.includes('is not asked')) outcome.notAsked++;
      else outcome.refused++;
    }
  };
  await Promise.all(Array.from({ length: count }, one));
  return outcome;
}

/** Goes on asking, one decision at a time, until the storage has connected so many times more. */
async function askWhileReconnecting(times: number): Promise<{ refused: number; asked: number }> {
  const until = proxy.connections + times;
  const sum = { refused: 0, asked: 0 };
  await eventually(async () => {
    const { refused } = await ask(1);
    sum.refused += refused;
    sum.asked++;
    return proxy.connections >= until;
  });
  return sum;
}

const AWAY = expect.stringMatching(/^RedisStorage: Redis is away \(.*READONLY/) as string;
const BACK = 'RedisStorage: Redis is back.';

test('a master that became a replica under load is away once and back once, however often it is connected to', async () => {
  await storage.open();
  await ask(IN_FLIGHT);
  const underWay = ask(IN_FLIGHT);
  await demote();
  await underWay;
  await ask(IN_FLIGHT);
  const { refused, asked } = await askWhileReconnecting(4);
  expect(lines).toEqual([AWAY]);
  expect(changes.map(({ available }) => available)).toEqual([false]);
  expect(storage.isAvailable).toBe(false);
  // Those on the new connections found the breaker open.
  expect([refused, asked > 10]).toEqual([0, true]);

  await promote();
  await eventually(() => storage.isAvailable);
  expect(await ask(IN_FLIGHT)).toEqual({ answered: IN_FLIGHT, refused: 0, notAsked: 0 });
  expect(lines).toEqual([AWAY, BACK]);
  expect(changes.map(({ available }) => available)).toEqual([false, true]);
});

test('a single refused decision is enough to be away until the server can be written', async () => {
  await storage.open();
  await ask(1);
  await demote();
  expect(await ask(1)).toMatchObject({ refused: 1 });
  expect(await askWhileReconnecting(3)).toMatchObject({ refused: 0 });
  expect(lines).toEqual([AWAY]);
  await promote();
  await eventually(() => storage.isAvailable);
  expect(lines).toEqual([AWAY, BACK]);
});

test('a server that stays a replica is connected to four times a second, and not at every refusal', async () => {
  await storage.open();
  await ask(1);
  await demote();
  await ask(1);
  const [before, seconds] = [proxy.connections, 3];
  await sleep(seconds * 1000);
  const more = proxy.connections - before;
  console.log(`a replica for ${seconds} s: ${more} connections`);
  // The first is made at once.
  expect(more).toBeGreaterThan(2);
  expect(more).toBeLessThanOrEqual(4 * seconds + 1);
  expect(lines).toEqual([AWAY]);
});

test('a storage that starts with a replica is away until that can be written', async () => {
  await demote();
  await storage.open();
  expect(storage.isAvailable).toBe(false);
  expect(await askWhileReconnecting(3)).toMatchObject({ refused: 0 });
  expect(lines).toHaveLength(1);
  await promote();
  await eventually(() => storage.isAvailable);
  expect(lines).toEqual([expect.stringContaining('READONLY'), BACK]);
});

test('a new master is used after one good probe, made when it is connected to', async () => {
  // The breaker's own probes come as late as they can.
  const random = jest.spyOn(Math, 'random').mockReturnValue(1);
  let connections = 0;
  let isReplica = false;
  let probes = 0;
  const fake = await startFakeRedis((command) => {
    if (command === 'INFO') connections++;
    if (!command.startsWith('EVAL')) return greet(command);
    if (isReplica && connections === 1) return "-READONLY You can't write against a read only replica.\r\n";
    // A probe calls one script in both ways.
    if (connections > 1 && command === 'EVAL') probes++;
    return '$-1\r\n';
  });
  try {
    storage = storageOn(fake.url);
    await storage.open();
    isReplica = true;
    expect(await ask(1)).toMatchObject({ refused: 1 });
    expect(storage.isAvailable).toBe(false);
    await eventually(() => storage.isAvailable);
    expect([connections, lines]).toEqual([2, [AWAY, BACK]]);
    // The breaker alone would have waited for two of its own beside it.
    expect(probes).toBeLessThan(3);
  } finally {
    random.mockRestore();
    await storage.close();
    await fake.stop();
  }
});

test('many refusals on one connection make Node warn of nothing', async () => {
  await storage.open();
  await ask(1);
  await demote();
  // Each goes by itself, so there are as many refusals.
  const resets = Array.from({ length: IN_FLIGHT }, (_, i) => storage.reset([{ policy, subject: `user:${i}` }]));
  const settled = await Promise.allSettled(resets);
  expect(settled.filter(({ status }) => status === 'fulfilled')).toEqual([]);
  await eventually(() => proxy.connections > 1);
  expect(warnings.map(String)).toEqual([]);
});
