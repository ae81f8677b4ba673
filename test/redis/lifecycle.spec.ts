import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { RateLimitConfigurationError, StorageFailureError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import type { RedisStorageOptions } from '../../src/storage/redis/redis.options.js';
import { greet, startFakeRedis } from '../support/redis-fake-server.js';
import { freePort, startRedis } from '../support/redis-server.mjs';
import { deleteUnder, eventually, keysUnder, plainClient, redisUrl, uniquePrefix } from '../support/redis-testing.js';

const policy = new Policy({ capacity: 100, perSeconds: 3600 });
const charges = [{ policy, subject: 'user:1', cost: 1 }];
const prefix = uniquePrefix();
const lines: string[] = [];
const logger = { warn: (line: string) => void lines.push(line) };
const patient = { prefix, logger, deadlineMs: 5000 };
const openedStorages: RedisStorage[] = [];

function storageOf(options: RedisStorageOptions): RedisStorage {
  const storage = new RedisStorage(options);
  openedStorages.push(storage);
  return storage;
}

/** Connections of the server that this spec made through a storage. */
async function connectionsNamed(client: Redis, name: string): Promise<number> {
  const list = String(await client.client('LIST'));
  return list.split('\n').filter((line) => line.includes(` name=${name} `)).length;
}

const plain = plainClient();

beforeEach(() => lines.splice(0));
afterEach(async () => {
  for (const storage of openedStorages.splice(0)) await storage.close();
});
afterAll(async () => {
  await deleteUnder(plain, prefix);
  await plain.quit();
});

describe('opening and closing', () => {
  test('counts its openings and can be opened again', async () => {
    const connectionName = `lifecycle-${process.pid}`;
    const storage = storageOf({ client: plainClient({ lazyConnect: true, connectionName }), ...patient });
    expect(await connectionsNamed(plain, connectionName)).toBe(0);
    await Promise.all([storage.open(), storage.open()]);
    expect(await connectionsNamed(plain, connectionName)).toBe(1);
    await storage.close();
    expect((await storage.consume(charges)).allowed).toBe(true);
    await storage.close();
    await eventually(async () => (await connectionsNamed(plain, connectionName)) === 0);
    await expect(storage.consume(charges)).rejects.toThrow(/closed/);

    await storage.open();
    expect((await storage.consume(charges)).allowed).toBe(true);
    await storage.close();
    await storage.close();
    await eventually(async () => (await connectionsNamed(plain, connectionName)) === 0);
    expect(lines).toEqual([]);
  });

  test('a question opens it, and close closes it', async () => {
    const storage = storageOf({ url: redisUrl(), ...patient });
    const replies = await Promise.all([storage.consume(charges), storage.peek(charges), storage.consume(charges)]);
    expect(replies.map((reply) => reply.allowed)).toEqual([true, true, true]);
    await storage.close();
    await expect(storage.peek(charges)).rejects.toBeInstanceOf(StorageFailureError);
  });

  test('closing before and while it opens leaves nothing', async () => {
    const storage = storageOf({ url: redisUrl(), ...patient });
    await storage.close();
    const opening = storage.open();
    await storage.close();
    await opening;
    expect(lines).toEqual([]);
  });

  test('answers that are owed at closing still come', async () => {
    const storage = storageOf({ url: redisUrl(), ...patient });
    await storage.open();
    const replies = Promise.all(Array.from({ length: 20 }, () => storage.peek(charges)));
    await storage.close();
    expect((await replies).length).toBe(20);
  });
});

describe('a client that was handed in', () => {
  test('is copied: its queues and retries are not used, and it survives closing', async () => {
    const client = plainClient({ keyPrefix: `${prefix}theirs:` });
    const storage = storageOf({ client, ...patient, prefix: 'rl:' });
    await storage.open();
    expect((await storage.consume(charges)).allowed).toBe(true);
    expect(await keysUnder(plain, `${prefix}theirs:rl:`)).toEqual([`${prefix}theirs:rl:{user:1}default`]);
    await storage.reset(charges);
    expect(await keysUnder(plain, `${prefix}theirs:`)).toEqual([]);
    await storage.close();
    expect(await client.ping()).toBe('PONG');
    await client.quit();
  });

  test('is used itself where that is asked for, and never closed', async () => {
    const client = plainClient({ lazyConnect: true, enableAutoPipelining: true, stringNumbers: true });
    const storage = storageOf({ client, reuseConnection: true, ...patient });
    await storage.open();
    expect((await storage.consume(charges)).allowed).toBe(true);
    expect(client.status).toBe('ready');
    await storage.close();
    expect(await client.ping()).toBe('PONG');
    expect(client.listenerCount('error')).toBe(0);
    await client.quit();
  });
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
        storage.consume(charges).then(
          () => true,
          () => false,
        ),
      );
      expect(lines).toHaveLength(1);
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

describe('what waiting does not cure stops the start', () => {
  test('credentials that are refused, and rights that lack', async () => {
    const server = await startRedis(['--requirepass', 's3cret']);
    const admin = new Redis(server.url.replace('//', '//:s3cret@'));
    await admin.call('ACL', 'SETUSER', 'idle', 'on', '>pw', `~${prefix}*`, '+get', '+set', '+del', '+time', '+info');
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
    try {
      for (const [credentials, expected] of [
        ['', /does not accept the user name and password \(NOAUTH/],
        ['nobody:pw@', /does not accept the user name and password \(WRONGPASS/],
        [':wrong@', /does not accept the user name and password \(WRONGPASS/],
        ['idle:pw@', /may not do what the storage needs \(NOPERM.*grant it EVALSHA, EVAL/],
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
    const rights = ['+evalsha', '+eval', '+time', '+get', '+set', '+del', '+info'];
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
    expect(await admin.dbsize()).toBe(0);
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

  test('when nobody waits for the start any more, it is told in the log', async () => {
    const port = await freePort();
    const storage = storageOf({ url: `redis://127.0.0.1:${port}`, ...patient });
    await storage.open();
    const server = await startRedis(['--user', ...'default on nopass ~other:* +@all'.split(' ')], { port });
    await eventually(() => lines.length === 2);
    expect(lines[1]).toMatch(/may not do what the storage needs/);
    await storage.close();
    await server.stop();
  });
});

test('a process that closed its storage ends by itself', async () => {
  const script = `
    import { Policy } from 'nestjs-token-bucket';
    import { RedisStorage } from 'nestjs-token-bucket/redis';
    const charges = [{ policy: new Policy({ capacity: 5, perSeconds: 60 }), subject: 'user:1', cost: 1 }];
    const reachable = new RedisStorage({ url: process.env.REDIS_URL, prefix: '${prefix}', deadlineMs: 5000 });
    await reachable.open();
    await reachable.consume(charges);
    const unreachable = new RedisStorage({ url: 'redis://127.0.0.1:1', logger: { warn() {} } });
    await unreachable.open();
    await unreachable.consume(charges).catch(() => {});
    await Promise.all([reachable.close(), unreachable.close()]);
    console.log('closed');
  `;
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { timeout: 10_000 });
  expect(stdout).toBe('closed\n');
});
