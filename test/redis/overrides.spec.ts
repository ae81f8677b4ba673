import { StorageFailureError } from '../../src/core/errors.js';
import { TooManyOverridesError } from '../../src/core/overrides/override-errors.js';
import { MAX_OVERRIDES } from '../../src/core/overrides/override-store.js';
import { RateLimitOverrides } from '../../src/core/overrides/rate-limit-overrides.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { OutageStorage } from '../../src/storage/outage/outage.storage.js';
import { overrideKeys } from '../../src/storage/redis/key.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { slotOf } from '../../src/storage/redis/slots.js';
import { startCluster } from '../support/redis-cluster.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.mjs';
import { deleteUnder, eventually, keysUnder, plainClient, redisUrl, uniquePrefix } from '../support/redis-testing.js';

const jobs = new Policy({ name: 'jobs', capacity: 3, perSeconds: 3600 });
const ADA = 'user:ada';
const BOB = 'user:bob';

const client = plainClient();
afterAll(() => client.quit());

let prefix: string;
let warnings: string[];
let closing: (() => unknown)[];

beforeEach(() => {
  prefix = uniquePrefix();
  warnings = [];
  closing = [() => deleteUnder(client, prefix)];
});
afterEach(async () => {
  for (const close of closing.toReversed()) await close();
});

/** An instance of an application, with the storage as the module wraps it. */
async function instance(options: object = { url: redisUrl(), deadlineMs: 2000 }, refreshSeconds = 60) {
  const logger = { warn: (line: string) => void warnings.push(line) };
  const storage = new RedisStorage({ prefix, logger, ...options } as ConstructorParameters<typeof RedisStorage>[0]);
  const limiter = new RateLimiter(new OutageStorage(storage, { onStorageFailure: 'local', instances: 1 }), [jobs], {
    overrides: true,
  });
  const limits = new RateLimitOverrides(limiter, { refreshSeconds }, logger);
  await storage.open();
  await limits.open();
  closing.push(
    () => storage.close(),
    () => limits.close(),
  );
  return { limiter, limits, storage };
}

const isBlocked = async ({ limits }: { limits: RateLimitOverrides }, subject: string) =>
  (await limits.peek('jobs', subject)).isBlocked;

test('a change is followed by instances that only wait', async () => {
  const here = await instance();
  const there = await instance(undefined, 0.1);
  expect(await isBlocked(there, ADA)).toBe(false);
  await here.limits.block(ADA);
  await eventually(() => isBlocked(there, ADA));
  await here.limits.unblock(ADA);
  await eventually(async () => !(await isBlocked(there, ADA)));
});

test('two keys in the slot of a subject, which no bucket has, keep them', async () => {
  const { limits, limiter } = await instance();
  await limits.block('a}b{c');
  const keys = (await keysUnder(client, prefix)).toSorted();
  expect(keys).toEqual([...overrideKeys(prefix)]);
  expect(keys[0]).toBe(`${prefix}{overrides}#entries`);
  await limiter.consume({
    policy: new Policy({ name: 'e', place: '#entries', capacity: 1, perSeconds: 60 }),
    subject: 'overrides',
  });
  expect(await limits.blocked()).toEqual([{ subject: 'a}b{c' }]);
  for (const key of overrideKeys(prefix)) expect(await client.pttl(key)).toBe(-1);
  expect(await client.cluster('KEYSLOT', keys[0]!).catch(() => slotOf('overrides'))).toBe(slotOf('overrides'));
});

test('values that were spoiled are ignored, told of once, and the others count', async () => {
  const here = await instance();
  await here.limits.set('jobs', ADA, { capacity: 9, perSeconds: 9 });
  await here.limits.block(BOB);
  const [entries, versions] = overrideKeys(prefix);
  const spoiled = [
    '',
    ':',
    'x',
    '12',
    '0:',
    '0:{',
    '0:null',
    '99999999999999999999:{}',
    '9007199254740993:{}',
    '-1:{}',
    '0:\0\xff\r\n',
  ];
  for (const [i, value] of spoiled.entries()) {
    await client.hset(entries, `block/spoiled${i}`, value);
    await client.zadd(versions, 10 + i, `block/spoiled${i}`);
  }
  // A version without an entry, and an entry without a version.
  await client.zadd(versions, 5, 'block/gone');
  await client.hset(entries, 'block/user:eve', '0:{"kind":"block","subject":"user:eve"}');
  const there = await instance();
  expect(await there.limits.list()).toMatchObject([{ subject: ADA, capacity: 9 }]);
  expect(await there.limits.blocked()).toEqual([{ subject: BOB }]);
  await there.limits.refresh();
  // All but the two that say as much as that they were removed.
  expect(warnings).toHaveLength(spoiled.length - 2);
  expect(warnings[0]).toBe('The override "block/spoiled1" cannot be read and is ignored.');
});

test('keys of another type stop no decision: they are told of, and what was known stays', async () => {
  const here = await instance(undefined, 0.1);
  await here.limits.block(BOB);
  await client.set(overrideKeys(prefix)[1], 'spoiled');
  await eventually(() => warnings.length > 0);
  await expect(here.limits.block(ADA)).rejects.toThrow(StorageFailureError);
  expect(await isBlocked(here, BOB)).toBe(true);
  expect((await here.limiter.consume({ policy: 'jobs', subject: ADA })).allowed).toBe(true);
  const there = await instance();
  expect((await there.limiter.consume({ policy: 'jobs', subject: BOB })).allowed).toBe(true);
  expect(warnings).toHaveLength(2);
  expect(warnings[0]).toMatch(/^What was changed at run time cannot be read; .*WRONGTYPE/);
});

test('when everything is lost, it is over, and what is decided then is followed', async () => {
  const here = await instance();
  const there = await instance();
  await here.limits.block(ADA);
  await there.limits.refresh();
  await deleteUnder(client, prefix);
  await there.limits.refresh();
  expect(await isBlocked(there, ADA)).toBe(false);
  await there.limits.block(BOB);
  // Later than all that it had read, so that what is lost is not missed at once; in a minute all is read anew.
  await here.limits.refresh();
  expect([await isBlocked(here, ADA), await isBlocked(here, BOB)]).toEqual([true, true]);
});

test('there are no more than a process can hold', async () => {
  const { limits } = await instance();
  const [entries] = overrideKeys(prefix);
  const pipeline = client.pipeline();
  for (let i = 0; i < MAX_OVERRIDES - 1; i++) pipeline.hset(entries, `block/${i}`, '0:{}');
  await pipeline.exec();
  await limits.block(ADA);
  await expect(limits.block(BOB)).rejects.toThrow(TooManyOverridesError);
  await limits.block(ADA, { reason: 'again' });
  expect(await limits.blocked()).toEqual([{ subject: ADA, reason: 'again' }]);
});

test('10 000 are read within their deadlines', async () => {
  const { storage } = await instance();
  const [entries, versions] = overrideKeys(prefix);
  const pipeline = client.pipeline();
  for (let i = 0; i < MAX_OVERRIDES; i++) {
    const subject = `user:${'x'.repeat(100)}${i}`;
    pipeline.hset(
      entries,
      `block/${subject}`,
      `0:${JSON.stringify({ kind: 'block', subject, reason: 'y'.repeat(200) })}`,
    );
    pipeline.zadd(versions, i + 1, `block/${subject}`);
  }
  await pipeline.exec();
  const there = await instance({ url: redisUrl(), deadlineMs: 1000 });
  expect(await there.limits.blocked()).toHaveLength(MAX_OVERRIDES);
  expect((await storage.overrideStore.read(MAX_OVERRIDES)).entries).toEqual([]);
});

test('a user needs the rights that are written down, and without them decisions go on', async () => {
  const server = await startRedis();
  closing.push(() => server.stop());
  const admin = plainClient({}, server.url);
  closing.push(() => admin.quit());
  const rights = ['reset', 'on', '>secret', `~${prefix}*`];
  const least = '+evalsha +eval +time +get +set +del +info +strlen +getrange +setrange +pexpireat'.split(' ');
  const more = ['+hget', '+hset', '+hdel', '+hlen', '+zadd', '+zrem', '+zrevrange', '+zrangebyscore'];
  const options = { url: server.url.replace('//', '//limiter:secret@'), deadlineMs: 2000 };
  await admin.acl('SETUSER', 'limiter', ...rights, ...least);
  const without = await instance(options);
  expect((await without.limiter.consume({ policy: 'jobs', subject: ADA })).allowed).toBe(true);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^What was changed at run time cannot be read; .*(NOPERM|user executing the script)/s);
  await expect(without.limits.block(ADA)).rejects.toThrow(StorageFailureError);
  await admin.acl('SETUSER', 'limiter', ...rights, ...least, ...more);
  const here = await instance(options);
  await here.limits.block(ADA, { expiresInSeconds: 1 });
  await here.limits.block(BOB);
  await here.limits.unblock(BOB);
  // Over for longer than it is told of: it is forgotten as it is read.
  const [entries] = overrideKeys(prefix);
  await admin.hset(entries, `block/${ADA}`, '1:{}');
  expect((await here.storage.overrideStore.read(0)).entries).toMatchObject([{ key: `block/${BOB}`, value: '' }]);
  expect(await admin.hkeys(entries)).toEqual([`block/${BOB}`]);
});

test('while Redis is away all that is known stays in force, and is followed again when it is back', async () => {
  const server = await startRedis();
  const proxy = await RedisProxy.start(server.port);
  closing.push(
    () => server.stop(),
    () => proxy.stop(),
  );
  const here = await instance({ url: proxy.url, deadlineMs: 200 }, 0.1);
  const there = await instance({ url: server.url, deadlineMs: 2000 });
  await there.limits.set('jobs', ADA, { capacity: 5, perSeconds: 3600 });
  await there.limits.block(BOB);
  await eventually(() => isBlocked(here, BOB));
  proxy.answers = 'keep back';
  await eventually(
    async () => !here.storage.isAvailable || !(await here.limiter.consume({ policy: 'jobs', subject: 'x' })),
  );
  const decision = await here.limiter.consume({ policy: 'jobs', subject: ADA });
  expect(decision).toMatchObject({ allowed: true, isWithoutStorage: true, remaining: 4 });
  expect(await isBlocked(here, BOB)).toBe(true);
  await expect(here.limits.unblock(BOB)).rejects.toThrow(StorageFailureError);
  await expect(here.limits.list()).rejects.toThrow(StorageFailureError);
  await there.limits.unblock(BOB);
  expect(await isBlocked(here, BOB)).toBe(true);
  proxy.release();
  await eventually(async () => !(await isBlocked(here, BOB)));
});

test('in a cluster they are in one slot', async () => {
  const cluster = await startCluster({ hasReplicas: false });
  closing.push(() => cluster.stop());
  const options = { cluster: { nodes: cluster.nodes }, deadlineMs: 2000 };
  const here = await instance(options);
  const there = await instance(options);
  for (let i = 0; i < 20; i++) await here.limits.set('jobs', `user:${i}`, { capacity: 5, perSeconds: 3600 });
  await here.limits.block(ADA, { expiresInSeconds: 60 });
  expect(await there.limits.list()).toHaveLength(20);
  expect(await there.limits.blocked()).toMatchObject([{ subject: ADA }]);
  const charges = [
    { policy: 'jobs', subject: 'user:1', cost: 5 },
    { policy: 'jobs', subject: 'user:2', cost: 4 },
  ];
  expect((await there.limiter.consume(charges)).allowed).toBe(true);
  await here.limits.grant('jobs', 'user:1', 3);
  expect((await there.limits.peek('jobs', 'user:1')).remaining).toBe(3);
  expect((await there.limiter.consume([...charges, { policy: 'jobs', subject: ADA }])).isBlocked).toBe(true);
}, 60_000);
