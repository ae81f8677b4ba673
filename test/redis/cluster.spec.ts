import { isDeepStrictEqual } from 'node:util';
import { Cluster } from 'ioredis';
import type { Charge } from '../../src/core/charge.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { bucketKey } from '../../src/storage/redis/key.js';
import type { RedisStorageOptions } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { slotOf } from '../../src/storage/redis/slots.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { eventually } from '../support/redis-testing.js';

// A token takes a day to come back, so debts tell exactly what was taken.
const DAY = 86_400;
const small = new Policy({ name: 'small', capacity: 3, refillTokens: 1, refillSeconds: DAY });
const large = new Policy({ name: 'large', capacity: 100, refillTokens: 1, refillSeconds: DAY });
const lines: string[] = [];
const logger = { warn: (line: string) => void lines.push(line) };

let cluster: TestCluster;
let storage: RedisStorage;
let prefixes = 0;

const storageOf = (options: Partial<RedisStorageOptions> = {}) =>
  new RedisStorage({
    cluster: { nodes: cluster.nodes },
    prefix: `t${++prefixes}:`,
    deadlineMs: 2000,
    logger,
    ...options,
  } as RedisStorageOptions);

const tokensOf = ({ policy }: Charge, debt: number) => Math.round(debt / policy.refillMicros);

/** Tokens that are owed to each of the buckets. */
async function taken(charges: readonly Charge[], from = storage): Promise<number[]> {
  const { debtUnits } = await from.peek(charges);
  return debtUnits.map((debt, i) => tokensOf(charges[i]!, debt));
}

beforeAll(async () => {
  const begin = performance.now();
  cluster = await startCluster();
  console.log(`cluster of 3 masters and 3 replicas: ready after ${Math.round(performance.now() - begin)} ms`);
});
afterAll(() => cluster.stop());

beforeEach(async () => {
  lines.splice(0);
  storage = storageOf();
  await storage.open();
});
afterEach(() => storage.close());

test('the slot of a subject is the one that the server computes', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const alphabet = [
    'a',
    'Z',
    '09',
    '_.:@-',
    '{',
    '}',
    '/%#',
    '\\',
    ' \0',
    '\r\n"',
    '\u00e9',
    '\u20ac',
    '\ud83d\ude00',
    '\ud800',
    '\udc00',
  ];
  const subjects = ['{', '}', '{}', '{a}b', '%#x', 'x'.repeat(128), 'x'.repeat(129), 'x'.repeat(100_000)];
  while (subjects.length < 3000) {
    subjects.push(Array.from({ length: random.integer(1, 150) }, () => random.pick(alphabet)).join(''));
  }
  const { admin } = cluster.masters[0]!;
  const keys = subjects.map((subject) => bucketKey('t:', { subject, policy: small }));
  const theirs = await Promise.all(keys.map((key) => admin.cluster('KEYSLOT', key)));
  expect([random.seed, subjects.map(slotOf)]).toEqual([random.seed, theirs]);
  console.log(`slots, seed ${random.seed}: ${subjects.length} subjects in ${new Set(theirs).size} slots`);
});

test('limits hold for each of many subjects on all nodes, asked at once and again and again', async () => {
  const subjects = Array.from({ length: 300 }, (_, i) => `user:${i}`);
  const asked = subjects.flatMap((subject) => Array.from({ length: 5 }, () => [{ policy: small, subject, cost: 1 }]));
  const replies = await Promise.all(asked.map(async (charges) => storage.consume(charges)));
  const admitted = subjects.map((_, i) => replies.slice(5 * i, 5 * i + 5).filter(({ allowed }) => allowed).length);
  expect(admitted).toEqual(subjects.map(() => 3));
  const sizes = await Promise.all(cluster.masters.map(({ admin }) => admin.dbsize()));
  expect(Math.min(...sizes)).toBeGreaterThan(50);
  expect(lines).toEqual([]);
});

describe('a decision about several subjects', () => {
  const charges: readonly Charge[] = [
    { policy: large, subject: 'ip:203.0.113.7', cost: 1 },
    { policy: small, subject: 'user:7', cost: 1 },
    { policy: large, subject: 'tenant:a', cost: 2 },
  ];

  test('takes all or nothing', async () => {
    for (let i = 1; i <= 3; i++) {
      const reply = await storage.consume(charges);
      expect(reply.allowed).toBe(true);
      expect(reply.debtUnits.map((debt, c) => tokensOf(charges[c]!, debt))).toEqual([i, i, 2 * i]);
    }
    for (let i = 0; i < 5; i++) {
      const reply = await storage.consume(charges);
      expect(reply.allowed).toBe(false);
      expect(reply.debtUnits.map((debt, c) => tokensOf(charges[c]!, debt))).toEqual([3, 3, 6]);
    }
    expect(await taken(charges)).toEqual([3, 3, 6]);
  });

  test('gives back what was taken before a later one denied', async () => {
    // The smallest capacity is asked first, and the tenant, which denies, last of all.
    await storage.consume([{ policy: large, subject: 'tenant:a', cost: 99 }]);
    await storage.consume(charges);
    await eventually(async () => isDeepStrictEqual(await taken(charges), [0, 0, 99]));
    for (let i = 0; i < 5; i++) {
      const reply = await storage.consume(charges);
      expect(reply.allowed).toBe(false);
      expect(reply.debtUnits.map((debt, c) => tokensOf(charges[c]!, debt))).toEqual([0, 0, 99]);
    }
    expect(await taken(charges)).toEqual([0, 0, 99]);
  });

  test('never admits more than each of its limits, whoever else asks', async () => {
    const limiter = new RateLimiter(storage);
    const asked = Array.from({ length: 400 }, (_, i) => [
      { policy: large, subject: 'ip:203.0.113.7' },
      { policy: small, subject: `user:${i % 40}` },
    ]);
    const decisions = await Promise.all(asked.map(async (requests) => limiter.consume(requests)));
    const admitted = decisions.filter(({ allowed }) => allowed).length;
    const users = decisions.reduce(
      (counts, { allowed }, i) => counts.map((count, user) => count + Number(allowed && user === i % 40)),
      Array.from({ length: 40 }, () => 0),
    );
    console.log(`400 decisions at once about 1 address and 40 users: ${admitted} of 100 admitted`);
    expect(admitted).toBeLessThanOrEqual(100);
    expect(admitted).toBeGreaterThan(50);
    expect(Math.max(...users)).toBeLessThanOrEqual(3);
    const [address] = await taken([{ policy: large, subject: 'ip:203.0.113.7', cost: 1 }]);
    expect(address).toBe(admitted);
  });

  test('is given back and reset as a whole', async () => {
    const limiter = new RateLimiter(storage);
    const [first, second] = [await limiter.consume(charges), await limiter.consume(charges)];
    expect(await taken(charges)).toEqual([2, 2, 4]);
    await limiter.refund(first.receipts[0]!);
    expect(await taken(charges)).toEqual([1, 1, 2]);
    expect(second.allowed).toBe(true);
    await storage.owe(charges.map(({ policy, subject }) => ({ policy, subject, debtUnits: policy.refillMicros })));
    expect(await taken(charges)).toEqual([2, 2, 3]);
    await storage.reset(charges);
    expect(await taken(charges)).toEqual([0, 0, 0]);
  });
});

test('no call touches several slots, whatever travels together', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const asked = Array.from({ length: 1000 }, () =>
    Array.from({ length: random.integer(1, 4) }, (_, i) => ({
      policy: new Policy({ name: `p${i}`, capacity: 1000, perSeconds: 60 }),
      subject: `user:${random.integer(1, 50)}`,
      cost: 1,
    })),
  );
  await Promise.all(asked.map(async (charges) => storage.consume(charges)));
  await Promise.all(asked.slice(0, 100).map((charges) => storage.peek(charges)));
  await Promise.all(asked.slice(0, 100).map((charges) => storage.reset(charges)));
  for (const { admin } of cluster.masters) {
    expect(await admin.info('errorstats')).not.toContain('CROSSSLOT');
  }
});

test('a node that does not know the script is told it, each by itself', async () => {
  for (let round = 0; round < 5; round++) {
    await Promise.all(cluster.masters.map(({ admin }) => admin.script('FLUSH')));
    const replies = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => storage.consume([{ policy: large, subject: `user:${i}`, cost: 1 }])),
    );
    expect(replies.every(({ allowed }) => allowed)).toBe(true);
  }
});

test('a Cluster that was handed in is copied, or used itself where that is asked for', async () => {
  const theirs = new Cluster(cluster.nodes, { redisOptions: { connectionName: 'theirs' }, keyPrefix: 'app:' });
  const copy = storageOf({ client: theirs, cluster: undefined });
  const reused = storageOf({ client: theirs, cluster: undefined, reuseConnection: true });
  for (const one of [copy, reused]) {
    await one.open();
    const charges = [{ policy: small, subject: 'user:1', cost: 1 }];
    expect(await one.consume(charges)).toMatchObject({ allowed: true });
    expect(await taken(charges, one)).toEqual([1]);
    await one.close();
  }
  expect(lines).toEqual([
    expect.stringMatching(/reuseConnection with enableOfflineQueue/),
    expect.stringMatching(/reuseConnection with retryDelayOnFailover: .*charged twice\. Set it to 0/),
    expect.stringMatching(/reuseConnection with no socketTimeout/),
  ]);
  expect(await theirs.get('nothing')).toBe(null);
  await theirs.quit();
});

test('a server that is no cluster, and a cluster that is taken for a server, stop the start', async () => {
  const [node] = cluster.nodes;
  const alone = storageOf({ url: `redis://127.0.0.1:${node!.port}`, cluster: undefined });
  await expect(alone.open()).rejects.toThrow(/is a node of a cluster \(MOVED .*\)\. Remedy: pass cluster instead/);
  const single = Number(new URL(process.env.REDIS_URL!).port);
  const noCluster = storageOf({ cluster: { nodes: [{ host: '127.0.0.1', port: single }] } });
  await expect(noCluster.open()).rejects.toThrow(/not a node of a cluster .*Remedy: pass url or options instead/);
});

test.each<[what: string, options: unknown, expected: RegExp]>([
  ['nodes in another shape', { cluster: [{ host: 'a' }] }, /cluster is \[\{"host":"a"\}\].*pass \{ nodes:/],
  ['no nodes', { cluster: { nodes: [] } }, /cluster\.nodes is \[\]/],
  ['an unset host', { cluster: { nodes: [{ host: 'a' }, { host: undefined }] } }, /nodes\[1\] names no server/],
  ['a brace in the prefix', { cluster: { nodes: [{ host: 'a' }], options: { keyPrefix: 'a{b' } } }, /"a\{b".*slots/],
  ['two ways', { cluster: { nodes: [{ host: 'a' }] }, url: 'redis://a' }, /url and cluster stand side by side/],
])('%s is refused', (_, options, expected) => {
  expect(() => new RedisStorage(options as RedisStorageOptions)).toThrow(expected);
  expect(() => new RedisStorage(options as RedisStorageOptions)).toThrow(/^new RedisStorage: .* Remedy: .+\.$/);
});
