import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Policy } from '../../src/core/policy.js';
import type { RedisStorageOptions } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { startRedis } from '../support/redis-server.mjs';
import { eventually } from '../support/redis-testing.js';

// A token of either takes longer to come back than a test takes; the second keeps a remainder.
const policy = new Policy({ capacity: 1_000_000, perSeconds: 366 * 86_400 });
const other = new Policy({ name: 'other', capacity: 99_991, refillTokens: 7, refillSeconds: 600 });
const both = (i: number) => [
  { policy, subject: `user:${i % 7}`, cost: 1 },
  { policy: other, subject: `user:${i % 7}`, cost: 1 },
];
const deadlineMs = 5000;
const scriptsFolder = join(__dirname, '../../src/storage/redis');
/** What stands before the scripts and is none. */
const parts = ['state.lua', 'log.lua', 'counters.lua', 'windows.lua'];
const scripts = readdirSync(scriptsFolder).filter((file) => file.endsWith('.lua'));

// A server of its own: SCRIPT FLUSH and restarts are not for a shared one.
let server: Awaited<ReturnType<typeof startRedis>>;
let admin: Redis;
let storage: RedisStorage;

beforeEach(async () => {
  server = await startRedis();
  admin = new Redis(server.url);
  storage = new RedisStorage({ url: server.url, deadlineMs });
  await storage.open();
});
afterEach(async () => {
  await storage.close();
  admin.disconnect();
  await server.stop();
});

test('no decision fails and none is charged twice while the script cache is flushed', async () => {
  const decisions = 4000;
  let asked = 0;
  let flushes = 0;
  const flusher = (async () => {
    for (; asked < decisions; flushes++) {
      await admin.script('FLUSH');
      await new Promise(setImmediate);
    }
  })();
  const ask = async () => {
    while (asked < decisions) expect((await storage.consume(both(asked++))).allowed).toBe(true);
  };
  await Promise.all([flusher, ...Array.from({ length: 32 }, ask)]);

  expect(flushes).toBeGreaterThan(10);
  let charged = 0;
  for (let i = 0; i < 7; i++) {
    const { debtUnits } = await storage.peek(both(i));
    charged += Math.ceil(debtUnits[0]! / policy.refillMicros);
  }
  expect(charged).toBe(asked);
  console.log(`SCRIPT FLUSH: ${asked} decisions, ${flushes} flushes, 0 failed, ${charged} tokens charged`);
});

test('a server that restarts is asked again without restarting anything here', async () => {
  await storage.consume(both(1));
  await server.stop();
  await expect(storage.consume(both(1))).rejects.toThrow(/^Redis could not answer/);
  const { port } = server;
  server = await startRedis([], { port });
  await eventually(() =>
    Promise.resolve(storage.consume(both(1))).then(
      () => true,
      () => false,
    ),
  );
  const decisions = await Promise.all(Array.from({ length: 100 }, async (_, i) => storage.consume(both(i))));
  expect(decisions.every((decision) => decision.allowed)).toBe(true);
});

test.each<[what: string, options: (url: string) => RedisStorageOptions]>([
  ['RESP2', (url) => ({ client: new Redis(url, { lazyConnect: true, protocol: 2 } as object) })],
  ['RESP3', (url) => ({ client: new Redis(url, { lazyConnect: true, protocol: 3 } as object) })],
  [
    'RESP3 with its own reply shapes',
    (url) => ({ client: new Redis(url, { lazyConnect: true, protocol: 3, replyMapping: 'resp3' } as object) }),
  ],
  ['a reused client', (url) => ({ client: new Redis(url, { lazyConnect: true }), reuseConnection: true })],
  [
    'a reused client that pipelines',
    (url) => ({ client: new Redis(url, { lazyConnect: true, enableAutoPipelining: true }), reuseConnection: true }),
  ],
  [
    'a reused client with numbers in text',
    (url) => ({ client: new Redis(url, { lazyConnect: true, stringNumbers: true }), reuseConnection: true }),
  ],
  [
    'a reused client with a key prefix',
    (url) => ({ client: new Redis(url, { lazyConnect: true, keyPrefix: 'app:' }), reuseConnection: true }),
  ],
])('works with %s, and after SCRIPT FLUSH', async (_, options) => {
  const choice = options(server.url);
  const chosen = new RedisStorage({ ...choice, deadlineMs, logger: { warn: () => {} } });
  await chosen.open();
  for (let round = 0; round < 2; round++) {
    await admin.script('FLUSH');
    const replies = await Promise.all(Array.from({ length: 50 }, async () => chosen.consume(both(1))));
    expect(replies.every((reply) => reply.allowed && reply.debtUnits.length === 2)).toBe(true);
    await chosen.refund(both(1), replies[0]!.nowMicros);
    expect((await chosen.peek(both(1))).debtUnits.every((debt) => debt > 0)).toBe(true);
    await chosen.reset(both(1));
    expect((await chosen.peek(both(1))).debtUnits).toEqual([0, 0]);
  }
  expect(await admin.dbsize()).toBe(0);
  await chosen.close();
  choice.client?.disconnect();
});

test('the server holds as many scripts as there are questions, whatever is asked', async () => {
  await admin.script('FLUSH');
  for (let i = 0; i < 200; i++) {
    const policy = new Policy({ name: `p${i}`, capacity: 10 + i, perSeconds: 60 + i });
    const charges = [{ policy, subject: `user:${i}'); error('`, cost: 1 + (i % 10) }];
    const { nowMicros } = await storage.consume(charges);
    await storage.peek(charges);
    await storage.refund(charges, nowMicros);
    await storage.reset(charges);
  }
  expect(await admin.info('memory')).toMatch(/number_of_cached_scripts:3\r/);
});

describe('the text of the scripts', () => {
  test.each(scripts)('%s turns numbers into text by format only, and nothing into a script', (file) => {
    const text = readFileSync(join(scriptsFolder, file), 'utf8');
    const code = text.replace(/--.*$/gm, '');
    expect(code).not.toMatch(/tostring|\.\.|table\.concat|cjson\.encode|cmsgpack/);
    expect(code).not.toMatch(/loadstring|\bload\b|dofile|setfenv|_G/);
    for (const [, format] of code.matchAll(/string\.format\('([^']*)'/g)) {
      expect(format).toMatch(/^%\.0f(:%\.0f)*(:%s)?$/);
    }
    for (const [, args] of code.matchAll(/redis\.call\('SET', ([^\n]*)\)$/gm)) {
      expect(args).toMatch(/'PXAT', (string\.format\('%\.0f', |expiry\(|'1')/);
    }
  });

  test.each(scripts.filter((file) => !parts.includes(file)))('%s states its contract in its header', (file) => {
    const header = readFileSync(join(scriptsFolder, file), 'utf8').split('\n\n')[0]!;
    for (const word of ['KEYS', 'ARGV', 'reply']) expect(header).toContain(`-- ${word}  `);
  });

  test('each script reads the time once and decides by nothing else', () => {
    for (const file of scripts.filter((name) => name !== 'probe.lua')) {
      const code = readFileSync(join(scriptsFolder, file), 'utf8').replace(/--.*$/gm, '');
      expect(code.match(/'TIME'/g)?.length ?? 0).toBe(file === 'state.lua' ? 1 : 0);
      expect(code).not.toMatch(/random|os\./);
    }
  });
});
