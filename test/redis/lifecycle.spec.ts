import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { StorageFailureError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import type { RedisStorageOptions } from '../../src/storage/redis/redis.options.js';
import {
  connectionsNamed,
  deleteUnder,
  eventually,
  keysUnder,
  plainClient,
  redisUrl,
  uniquePrefix,
} from '../support/redis-testing.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.mjs';

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

  test('is not revived when it is used itself and was closed', async () => {
    const client = plainClient();
    await client.quit();
    await eventually(() => client.status === 'end');
    const storage = storageOf({ client, reuseConnection: true, ...patient });
    await expect(storage.open()).rejects.toThrow(/client that was handed in is closed/);
    expect(client.status).toBe('end');
  });
});

describe('a process that closed its storage', () => {
  let onTestEnd: () => Promise<unknown> = () => Promise.resolve();
  afterEach(() => onTestEnd());

  // The one of this lane: another process knows nothing of jest's module map.
  const ioredis = `ioredis${process.env.IOREDIS_MAJOR ?? ''}`;
  const begin = `
    import { Redis } from '${ioredis}';
    import { Policy } from 'nestjs-token-bucket';
    import { RedisStorage } from 'nestjs-token-bucket/redis';
    const charges = [{ policy: new Policy({ capacity: 5, perSeconds: 60 }), subject: 'user:1', cost: 1 }];
    const at = (url) => new RedisStorage({
      client: new Redis(url, { lazyConnect: true }), prefix: '${prefix}', deadlineMs: 5000, logger: { warn() {} },
    });`;

  test('ends by itself, connected or not', async () => {
    const output = await outputOf(`${begin}
      const reachable = at('${redisUrl()}');
      await reachable.open();
      await reachable.consume(charges);
      const unreachable = at('redis://127.0.0.1:1');
      await unreachable.open();
      await unreachable.consume(charges).catch(() => {});
      await Promise.all([reachable.close(), unreachable.close()]);
      console.log('closed');
    `);
    expect(output).toBe('closed\n');
  });

  test('keeps no timer of a connection that was lost with an answer owed', async () => {
    const server = await startRedis();
    const proxy = await RedisProxy.start(server.port);
    onTestEnd = () => Promise.all([proxy.stop(), server.stop()]);
    let isCut = false;
    proxy.onRequest = (request) => {
      proxy.answers = !isCut && request.includes('user:1') ? 'cut' : 'pass on';
      isCut ||= proxy.answers === 'cut';
    };
    const output = await outputOf(`${begin}
      import { setTimeout as sleep } from 'node:timers/promises';
      const storage = at('${proxy.url}');
      await storage.open();
      const isAnswered = () => storage.consume(charges).then(() => true, () => false);
      console.log(await isAnswered() ? 'not cut' : 'cut');
      while (!(await isAnswered())) await sleep(10);
      await storage.close();
      console.log(process.getActiveResourcesInfo().includes('Timeout') ? 'a timer is left' : 'no timer is left');
    `);
    expect(output).toBe('cut\nno timer is left\n');
  });
});

/** What a script prints that ends by itself. */
async function outputOf(script: string): Promise<string> {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 });
  return stdout;
}
