import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { ALGORITHMS } from '../../src/core/algorithm.js';
import { RateLimitConfigurationError, StorageFailureError, StorageTimeoutError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import type { RedisStorageOptions } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { greet, startFakeRedis } from '../support/redis-fake-server.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { freePort, startRedis } from '../support/redis-server.mjs';
import { connectionsNamed, eventually, uniquePrefix } from '../support/redis-testing.js';

/** What sliding window logs need beside GET and SET. */
const FOR_LOGS = ['+strlen', '+getrange', '+setrange', '+pexpireat'];
const charges = [{ policy: new Policy({ capacity: 100, perSeconds: 3600 }), subject: 'user:1', cost: 1 }];
const prefix = uniquePrefix();
const lines: string[] = [];
const patient = { prefix, deadlineMs: 5000, logger: { warn: (line: string) => void lines.push(line) } };
const openedStorages: RedisStorage[] = [];

function storageOf(options: RedisStorageOptions): RedisStorage {
  const storage = new RedisStorage(options);
  openedStorages.push(storage);
  return storage;
}

beforeEach(() => lines.splice(0));
afterEach(async () => {
  for (const storage of openedStorages.splice(0)) await storage.close();
});

describe('a server that cannot be reached', () => {
  test('does not stop the start, is told once, and is found when it appears', async () => {
    const port = await freePort();
    const storage = storageOf({ url: `redis://127.0.0.1:${port}`, ...patient });
    await storage.open();
    expect(lines).toEqual([expect.stringMatching(/cannot be asked yet \(.*ECONNREFUSED.*in the background/)]);
    await expect(storage.consume(charges)).rejects.toThrow(/ECONNREFUSED/);
    await expect(storage.consume(charges)).rejects.toBeInstanceOf(StorageFailureError);

    const server = await startRedis([], { port });
    try {
      await eventually(() =>
        Promise.resolve(storage.consume(charges)).then(
          () => true,
          () => false,
        ),
      );
      expect(lines.slice(1)).toEqual(['RedisStorage: Redis is back.']);
    } finally {
      await storage.close();
      await server.stop();
    }
  });

  test('that takes connections and says nothing does not stop the start either', async () => {
    const server = await startFakeRedis(() => undefined);
    const storage = storageOf({ url: server.url, ...patient });
    await storage.open();
    expect(lines).toEqual([expect.stringMatching(/no answer within \d+ ms/)]);
    await storage.close();
    await server.stop();
  });
});

test('an outage is told once, and its end', async () => {
  let server = await startRedis();
  const { port } = server;
  const storage = storageOf({ url: server.url, ...patient });
  await storage.open();
  await server.stop();
  for (let i = 0; i < 20; i++) await expect(storage.consume(charges)).rejects.toThrow(StorageFailureError);
  server = await startRedis([], { port });
  await eventually(() => lines.length === 2);
  expect(lines).toEqual([expect.stringMatching(/Redis is away \(.+\)/), 'RedisStorage: Redis is back.']);
  await storage.close();
  await server.stop();
});

test('a connection on which nothing comes back any more is made anew', async () => {
  const server = await startRedis();
  const proxy = await RedisProxy.start(server.port);
  const storage = storageOf({ url: proxy.url, ...patient, deadlineMs: 50 });
  await storage.open();
  proxy.answers = 'keep back';
  await expect(storage.consume(charges)).rejects.toThrow(StorageTimeoutError);
  await eventually(() => proxy.connections === 2);
  proxy.release();
  await eventually(() =>
    Promise.resolve(storage.consume(charges)).then(
      () => true,
      () => false,
    ),
  );
  await storage.close();
  await proxy.stop();
  await server.stop();
});

test('a server on a Unix socket is reached by the path', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'redis-socket-'));
  const path = join(folder, 'redis.sock');
  const server = await startRedis(['--unixsocket', path]);
  const storage = storageOf({ url: path, ...patient });
  await storage.open();
  expect((await storage.consume(charges)).allowed).toBe(true);
  await storage.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

describe('what waiting does not cure stops the start', () => {
  test('credentials that are refused, and rights that lack', async () => {
    const server = await startRedis(['--requirepass', 's3cret']);
    const admin = new Redis(server.url.replace('//', '//:s3cret@'));
    await admin.call(
      'ACL',
      'SETUSER',
      'idle',
      'on',
      '>pw',
      `~${prefix}*`,
      '+get',
      '+set',
      '+del',
      ...FOR_LOGS,
      '+time',
      '+info',
    );
    await admin.call(
      'ACL',
      'SETUSER',
      'reader',
      'on',
      '>pw',
      `~${prefix}*`,
      '+@read',
      '+eval',
      '+evalsha',
      '+time',
      '+info',
    );
    await admin.call('ACL', 'SETUSER', 'stranger', 'on', '>pw', '~other:*', '+@all');
    const onKeys = ['on', '>pw', `~${prefix}*`, '+get', '+set', '+del', ...FOR_LOGS, '+time', '+info'];
    await admin.call('ACL', 'SETUSER', 'byText', ...onKeys, '+eval');
    await admin.call('ACL', 'SETUSER', 'byDigest', ...onKeys, '+evalsha');
    // The server knows the scripts, as it does when another instance has called them.
    const earlier = storageOf({ url: server.url.replace('//', '//:s3cret@'), ...patient });
    await earlier.open();
    await earlier.close();
    try {
      for (const [credentials, expected] of [
        ['', /does not accept the user name and password \(NOAUTH/],
        ['nobody:pw@', /does not accept the user name and password \(WRONGPASS/],
        [':wrong@', /does not accept the user name and password \(WRONGPASS/],
        ['idle:pw@', /may not do what the storage needs \(NOPERM.*grant it EVALSHA, EVAL, .*INFO/],
        ['byText:pw@', /may not do what the storage needs \(NOPERM.*evalsha/],
        ['byDigest:pw@', /may not do what the storage needs \(NOPERM.*eval/],
        ['reader:pw@', /may not do what the storage needs/],
        ['stranger:pw@', /may not do what the storage needs \(NOPERM/],
      ] as const) {
        const storage = storageOf({ url: server.url.replace('//', `//${credentials}`), ...patient });
        const error: unknown = await storage.open().then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(RateLimitConfigurationError);
        expect(String(error)).toMatch(expected);
        expect(String(error)).not.toMatch(/pw|s3cret|wrong/);
        await expect(storage.consume(charges)).rejects.toThrow(/closed/);
      }
      expect(lines).toEqual([]);
      await eventually(async () => (await connectionsNamed(admin, '')) === 1);
    } finally {
      await admin.quit();
      await server.stop();
    }
  });

  test('the least rights that are documented are enough', async () => {
    const rights = ['+evalsha', '+eval', '+time', '+get', '+set', '+del', ...FOR_LOGS, '+info'];
    const server = await startRedis();
    const admin = new Redis(server.url);
    await admin.call('ACL', 'SETUSER', 'limiter', 'on', '>pw', `~${prefix}*`, ...rights);
    const storage = storageOf({ url: server.url.replace('//', '//limiter:pw@'), ...patient });
    await storage.open();
    const reply = await storage.consume(charges);
    expect(reply.allowed).toBe(true);
    expect((await storage.peek(charges)).debtUnits).toHaveLength(1);
    await storage.refund(charges, reply.nowMicros);
    await storage.consume(charges);
    await storage.reset(charges);
    const all = ALGORITHMS.map((algorithm) => ({
      policy: new Policy({ name: algorithm, capacity: 9, perSeconds: 3600, algorithm }),
      subject: 'user:1',
      cost: 1,
    }));
    const { nowMicros } = await storage.consume(all);
    for (let i = 0; i < 3; i++) await storage.consume(all);
    await storage.peek(all);
    await storage.refund(all, nowMicros);
    await storage.owe(all.map(({ policy, subject }) => ({ policy, subject, debtUnits: 1 })));
    await storage.reset(all);
    expect(await admin.dbsize()).toBe(0);
    await storage.close();
    await admin.quit();
    await server.stop();
  });

  test('another database than the one that was named', async () => {
    const server = await startRedis();
    const admin = new Redis(`${server.url}/3`);
    const rights = ['+evalsha', '+eval', '+time', '+get', '+set', '+del', ...FOR_LOGS, '+info'];
    await admin.call('ACL', 'SETUSER', 'limiter', 'on', '>pw', `~${prefix}*`, ...rights);
    const inDatabase = (number: number) =>
      storageOf({ url: `${server.url.replace('//', '//limiter:pw@')}/${number}`, ...patient });
    await expect(inDatabase(3).open()).rejects.toThrow(/may not do what .*select.*Remedy: .*SELECT for a database/);
    await admin.call('ACL', 'SETUSER', 'limiter', '+select');
    await expect(inDatabase(99).open()).rejects.toThrow(/does not have the database .*DB index is out of range/);
    const storage = inDatabase(3);
    await storage.open();
    await storage.consume(charges);
    expect(await admin.dbsize()).toBe(1);
    await storage.close();
    await admin.quit();
    await server.stop();
  });

  test('a server that knows no PXAT, or no scripts', async () => {
    for (const [evalAnswer, expected] of [
      ['-ERR Error running script: ERR syntax error\r\n', /cannot run the scripts.*Redis 6\.2 or later/],
      ["-ERR unknown command 'eval'\r\n", /cannot run the scripts/],
    ] as const) {
      const server = await startFakeRedis((command) => {
        if (command === 'EVALSHA') return '-NOSCRIPT No matching script.\r\n';
        return command === 'EVAL' ? evalAnswer : greet(command);
      });
      const storage = storageOf({ url: server.url, ...patient });
      await expect(storage.open()).rejects.toThrow(expected);
      await server.stop();
    }
  });

  test.each([
    ['rights that lack', '--user', 'default on nopass ~other:* +@all', /may not do what the storage needs/],
    ['a password that is missing', '--requirepass', 's3cret', /does not accept the user name and password/],
  ])('when nobody waits for the start any more, it is told in the log, once: %s', async (_, option, value, told) => {
    const port = await freePort();
    const storage = storageOf({ url: `redis://127.0.0.1:${port}`, ...patient });
    await storage.open();
    const server = await startRedis([option, ...(option === '--user' ? value.split(' ') : [value])], { port });
    const admin = new Redis(port, { username: 'default', password: 's3cret' });
    await eventually(() => lines.some((line) => told.test(line)));
    // ioredis tries again after less than a tenth of a second, and again.
    const connections = async () => Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1]);
    const before = await connections();
    if (option === '--requirepass') await eventually(async () => (await connections()) > before + 1);
    expect(lines.filter((line) => told.test(line))).toHaveLength(1);
    await storage.close();
    await admin.quit();
    await server.stop();
  });
});
