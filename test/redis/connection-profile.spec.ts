import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { ownClient } from '../../src/storage/redis/own-client.js';
import { checkedRedisOptions, type RedisStorageOptions } from '../../src/storage/redis/redis.options.js';

const DEADLINE_MS = 50;

/** Each connection, whatever it leads to: reference/reliability.md, section 4.4, or why it is otherwise. */
const EVERYWHERE = {
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 1000,
  keepAlive: 5000,
  noDelay: true,
  // "A few seconds", and more than a deadline.
  socketTimeout: 2000,
  disconnectTimeout: 250,
  // The deadline is the storage's own, without a timer per command.
  commandTimeout: undefined,
  enableAutoPipelining: false,
  // Else replies and roles are other than the storage reads.
  stringNumbers: false,
  readOnly: false,
  monitor: false,
};
const SINGLE = { ...EVERYWHERE, lazyConnect: true, enableOfflineQueue: false };
const CLUSTER = {
  lazyConnect: true,
  scaleReads: 'master',
  maxRedirections: 3,
  slotsRefreshTimeout: 500,
  retryDelayOnClusterDown: 20,
  // Not 20: what was lost with its connection would be sent again.
  retryDelayOnFailover: 0,
  retryDelayOnMoved: 0,
  retryDelayOnTryAgain: 0,
  // Not false: what is to be sent to a new master would be dropped. `duplicateCluster` says what keeps it empty.
  enableOfflineQueue: true,
  enableReadyCheck: true,
  enableAutoPipelining: false,
  clusterNodeRetryStrategy: null,
};
/** What users say of a connection, and nobody may take away. */
const USERS = {
  username: 'limiter',
  password: 'secret',
  tls: { servername: 'redis.example' },
  keyPrefix: 'app:',
  connectionName: 'limits',
  family: 6,
};
/** All that is set otherwise by default, or by somebody who knows no better. */
const HARMFUL = {
  lazyConnect: true,
  enableOfflineQueue: true,
  autoResendUnfulfilledCommands: true,
  maxRetriesPerRequest: null,
  connectTimeout: 60_000,
  keepAlive: 0,
  noDelay: false,
  socketTimeout: 0,
  disconnectTimeout: 60_000,
  commandTimeout: 10,
  enableAutoPipelining: true,
  stringNumbers: true,
  readOnly: true,
  monitor: true,
  retryStrategy: () => null,
} satisfies RedisOptions;
const HARMFUL_TO_CLUSTERS = {
  lazyConnect: true,
  scaleReads: 'slave',
  maxRedirections: 16,
  slotsRefreshTimeout: 60_000,
  retryDelayOnClusterDown: 5000,
  retryDelayOnFailover: 100,
  retryDelayOnMoved: 100,
  retryDelayOnTryAgain: 100,
  enableOfflineQueue: false,
  enableReadyCheck: false,
  enableAutoPipelining: true,
  clusterRetryStrategy: () => null,
} satisfies ClusterOptions;

const nodes = [{ host: 'redis-1.example', port: 7001 }];
const sentinels = [{ host: 'sentinel-1.example', port: 26_379 }];

/** The client that the storage makes for itself; it has not connected. */
function made(options: Partial<RedisStorageOptions>, deadlineMs = DEADLINE_MS) {
  const checked = checkedRedisOptions({ ...options, deadlineMs } as RedisStorageOptions);
  return ownClient(checked, () => {}) as unknown as Redis;
}
const madeCluster = (options: Partial<RedisStorageOptions>, deadlineMs?: number) =>
  made(options, deadlineMs) as unknown as Cluster;

/** Those of `options` that are named by `names`, also where they are undefined. */
function pick(options: object, names: object): Record<string, unknown> {
  return Object.fromEntries(Object.keys(names).map((name) => [name, (options as Record<string, unknown>)[name]]));
}

/** The connection that a cluster would make to that node. */
function nodeOf(cluster: Cluster): Redis {
  const { connectionPool } = cluster as unknown as { connectionPool: { findOrCreate(node: object): Redis } };
  return connectionPool.findOrCreate({ ...nodes[0] });
}

function expectDelays(strategy: unknown): void {
  const delay = strategy as (attempt: number) => number;
  const longest = [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000];
  const random = jest.spyOn(Math, 'random');
  const delaysAt = (value: number) => {
    random.mockReturnValue(value);
    return longest.map((_, i) => delay(i + 1));
  };
  try {
    expect(delaysAt(1)).toEqual(longest);
    // At least half of each is left to chance, so that instances do not come back in step; and none is zero.
    const shortest = delaysAt(0);
    expect(shortest.map((ms, i) => ms <= longest[i]! / 2)).toEqual(longest.map(() => true));
    expect(Math.min(...shortest)).toBeGreaterThanOrEqual(25);
    // After a night without Redis, too.
    random.mockReturnValue(1);
    expect([100, 2000, 1_000_000].map(delay)).toEqual([2000, 2000, 2000]);
  } finally {
    random.mockRestore();
  }
}

describe.each<[of: string, options: Partial<RedisStorageOptions>]>([
  ['a url', { url: 'redis://redis.example' }],
  ['options', { options: { host: 'redis.example', ...HARMFUL } }],
  ['Sentinels', { options: { sentinels, name: 'main', ...HARMFUL } }],
  ['a client', { client: new Redis({ host: 'redis.example', ...HARMFUL }) }],
  ['a client of Sentinels', { client: new Redis({ sentinels, name: 'main', ...HARMFUL }) }],
])('the connection that is made of %s', (_, options) => {
  test('keeps nothing, repeats nothing and notices soon, whatever was asked for', () => {
    const client = made(options);
    expect(client.status).toBe('wait');
    expect(pick(client.options, SINGLE)).toEqual(SINGLE);
  });

  test('is tried again after 50 ms, doubling to 2 s, half of it random', () => {
    expectDelays(made(options).options.retryStrategy);
  });

  test('may be silent for 2 s, or twice a longer deadline', () => {
    const silenceAt = (deadlineMs: number) => made(options, deadlineMs).options.socketTimeout;
    expect([5, 1000, 1001, 10_000].map(silenceAt)).toEqual([2000, 2000, 2002, 20_000]);
  });
});

describe.each<[of: string, options: Partial<RedisStorageOptions>]>([
  ['nodes', { cluster: { nodes } }],
  ['nodes with options', { cluster: { nodes, options: { ...HARMFUL_TO_CLUSTERS, redisOptions: HARMFUL } } }],
  ['a client', { client: new Cluster([...nodes], { ...HARMFUL_TO_CLUSTERS, redisOptions: HARMFUL }) }],
])('the cluster that is made of %s', (_, options) => {
  test('repeats nothing that a node may have run, and asks masters only', () => {
    const cluster = madeCluster(options);
    expect(cluster.status).toBe('wait');
    expect(pick(cluster.options, CLUSTER)).toEqual(CLUSTER);
    cluster.disconnect();
  });

  test('has connections to its nodes as to a single server', () => {
    const cluster = madeCluster(options);
    const node = nodeOf(cluster);
    expect(pick(node.options, EVERYWHERE)).toEqual(EVERYWHERE);
    // A node that is lost is found anew, perhaps elsewhere.
    expect(node.options.retryStrategy).toBeNull();
    expect(madeCluster(options, 1001).options.redisOptions?.socketTimeout).toBe(2002);
    cluster.disconnect();
  });

  test('is tried again after 50 ms, doubling to 2 s, half of it random', () => {
    expectDelays(madeCluster(options).options.clusterRetryStrategy);
  });
});

describe('what users say of their server stays', () => {
  const SERVER = { ...USERS, host: 'redis.example', port: 6380, db: 3 };
  const SENTINEL = {
    ...USERS,
    db: 3,
    sentinels,
    name: 'main',
    sentinelUsername: 'watcher',
    sentinelPassword: 'secret too',
    enableTLSForSentinelMode: true,
    sentinelTLS: { servername: 'sentinel.example' },
    natMap: { '10.0.0.1:6379': { host: 'redis.example', port: 6379 } },
  };

  test.each<[as: string, options: Partial<RedisStorageOptions>, expected: object]>([
    [
      'a url',
      { url: 'rediss://limiter:secret@redis.example:6380/3' },
      { username: 'limiter', password: 'secret', host: 'redis.example', port: 6380, db: 3, tls: true },
    ],
    ['options', { options: SERVER }, SERVER],
    ['a path', { options: { path: '/run/redis.sock', db: 3 } }, { path: '/run/redis.sock', db: 3 }],
    ['a client', { client: new Redis({ ...SERVER, lazyConnect: true }) }, SERVER],
    ['Sentinels', { options: SENTINEL }, SENTINEL],
    ['a client of Sentinels', { client: new Redis({ ...SENTINEL, lazyConnect: true }) }, SENTINEL],
  ])('as %s', (_, options, expected) => {
    expect(pick(made(options).options, expected)).toEqual(expected);
  });

  test.each<[as: string, isClient: boolean]>([
    ['a cluster', false],
    ['a client of a cluster', true],
  ])('as %s', (_, isClient) => {
    const { keyPrefix, ...redisOptions } = USERS;
    const natMap = { '10.0.0.1:6379': { host: 'redis.example', port: 6379 } };
    const dnsLookup: ClusterOptions['dnsLookup'] = (address, callback) => callback(null, address);
    const own = { natMap, dnsLookup, keyPrefix, slotsRefreshInterval: 30_000 };
    const options = { ...own, redisOptions, lazyConnect: true };
    const cluster = madeCluster(
      isClient ? { client: new Cluster([...nodes], options) } : { cluster: { nodes, options } },
    );
    expect(pick(cluster.options, own)).toEqual(own);
    expect(pick(nodeOf(cluster).options, { ...redisOptions, ...nodes[0] })).toEqual({ ...redisOptions, ...nodes[0] });
    cluster.disconnect();
  });
});
