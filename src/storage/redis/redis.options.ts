import type { RedisOptions } from 'ioredis';
import { describeValue, misconfigured } from '../../core/errors.js';
import { checkOptions } from '../../core/options.js';
import { clientFrom, WHERE } from './client-source.js';
import { dangersOf, type RedisClient } from './client.js';
import { dangersOfCluster, type RedisClusterNodes } from './cluster-client.js';

/** Where the storage writes the few lines that an operator should read. */
export interface RedisStorageLogger {
  warn(message: string): void;
}

/** Redis, or one node of a Cluster, can no longer be asked, or can be asked again. */
export interface RedisAvailability {
  /** Of Redis as a whole, as `isAvailable` of the storage says; with `node`, of what that node keeps. */
  readonly available: boolean;
  /** What went wrong, as the client or the server said it; empty when Redis is back. */
  readonly reason: string;
  /** The address of the node of a Cluster, where only what it keeps is concerned. */
  readonly node?: string;
}

/** What is common to all ways of saying where Redis is. */
export interface RedisStorageCommonOptions {
  /** Stands before every key. At most 64 visible ASCII characters, no braces. Default: `rl:`. */
  readonly prefix?: string;
  /** Milliseconds from a question to its failure with StorageTimeoutError. Integer from 5 to 10 000. Default: 50. */
  readonly deadlineMs?: number;
  /**
   * Whether a bucket that denied is asked again only when its answer may have changed, or after a second. Exact, but
   * that tokens which another instance gives back (refund, reset) are seen up to a second late. Default: true.
   */
  readonly denyCache?: boolean;
  /**
   * Called once when Redis can no longer be asked and once when it can, and in a Cluster the same for each node (`node`):
   * for a metric or an alarm. Errors that it throws are logged.
   */
  readonly onAvailability?: (change: RedisAvailability) => unknown;
  /** Default: the console. */
  readonly logger?: RedisStorageLogger;
}

/** The server by its URL. */
export interface RedisStorageByUrl extends RedisStorageCommonOptions {
  /**
   * `redis://` or (TLS) `rediss://` and a host, or the path of a Unix socket. `undefined`, which is what an unset
   * variable of the environment gives, is an error and never localhost.
   */
  readonly url: string | undefined;
  readonly options?: undefined;
  readonly client?: undefined;
  readonly cluster?: undefined;
  readonly reuseConnection?: undefined;
}

/** The server by options of ioredis, for whatever a URL cannot say. */
export interface RedisStorageByOptions extends RedisStorageCommonOptions {
  /**
   * Must name a server: `host`, `path` or `sentinels`. Queues, retries and timeouts are set by the storage, because
   * the promise to charge a decision at most once depends on them.
   */
  readonly options: RedisOptions;
  readonly url?: undefined;
  readonly client?: undefined;
  readonly cluster?: undefined;
  readonly reuseConnection?: undefined;
}

/** A cluster by some of its nodes. */
export interface RedisStorageByCluster extends RedisStorageCommonOptions {
  /**
   * For example `{ nodes: [{ host: 'redis-1.example', port: 6379 }] }`. What is common to all nodes (TLS, credentials)
   * stands in `options.redisOptions`, as in `Cluster` of ioredis. Every decision about one subject is one call to one
   * node; one about several subjects (address and user) asks their nodes one after the other, and gives back what it took
   * when a later one denies.
   */
  readonly cluster: RedisClusterNodes;
  readonly url?: undefined;
  readonly options?: undefined;
  readonly client?: undefined;
  readonly reuseConnection?: undefined;
}

/** The server by a client that is connected to it, or will be. */
export interface RedisStorageByClient extends RedisStorageCommonOptions {
  /**
   * A `Redis` or `Cluster` of ioredis 5.11 or 6. The storage opens connections of its own with the same options, its
   * `keyPrefix` included, but with queues, retries and timeouts as it needs them.
   */
  readonly client: RedisClient;
  /**
   * `true`: use the connection of the client, as it is, and never close it. This gives up the promise to charge a
   * decision at most once: unless told otherwise, ioredis keeps commands for later and sends them again. Noticing that the
   * server has fallen silent, and connecting again, is its business then. Settings that harm are logged once. Default: `false`.
   */
  readonly reuseConnection?: boolean;
  readonly url?: undefined;
  readonly options?: undefined;
  readonly cluster?: undefined;
}

/** Options of the Redis storage: exactly one of `url`, `options`, `client` and `cluster`. */
export type RedisStorageOptions =
  RedisStorageByUrl | RedisStorageByOptions | RedisStorageByClient | RedisStorageByCluster;

/** Options that have been checked, with the client whose connection is copied or (on request) used. */
export interface CheckedRedisOptions {
  readonly client: RedisClient;
  readonly reuseConnection: boolean;
  readonly prefix: string;
  readonly deadlineMs: number;
  readonly denyCache: boolean;
  readonly onAvailability: ((change: RedisAvailability) => unknown) | undefined;
  readonly logger: RedisStorageLogger;
}

const OPTIONS = [
  'url',
  'options',
  'client',
  'cluster',
  'reuseConnection',
  'prefix',
  'deadlineMs',
  'denyCache',
  'onAvailability',
  'logger',
];
/** Visible ASCII without the braces, which would decide the slot of a cluster. */
const PREFIX = /^[\x21-\x7a\x7c\x7e]{0,64}$/;

/** The options with their defaults; nothing is connected. @throws RateLimitConfigurationError */
export function checkedRedisOptions(options: RedisStorageOptions): CheckedRedisOptions {
  checkOptions(options, OPTIONS, WHERE);
  const {
    prefix = 'rl:',
    deadlineMs = 50,
    denyCache = true,
    onAvailability,
    logger = console,
    reuseConnection = false,
  } = options;
  if (typeof prefix !== 'string' || !PREFIX.test(prefix)) {
    misconfigured(
      WHERE,
      `prefix is ${describeValue(prefix)}; expected at most 64 visible ASCII characters without braces`,
      'choose a short name such as "rl:"',
    );
  }
  if (!Number.isInteger(deadlineMs) || deadlineMs < 5 || deadlineMs > 10_000) {
    misconfigured(
      WHERE,
      `deadlineMs is ${describeValue(deadlineMs)}; expected an integer from 5 to 10000`,
      'write the milliseconds that a request may wait for Redis, or leave it out for 50',
    );
  }
  if (typeof denyCache !== 'boolean') {
    misconfigured(WHERE, `denyCache is ${describeValue(denyCache)}`, 'use true or false');
  }
  if (onAvailability !== undefined && typeof onAvailability !== 'function') {
    misconfigured(WHERE, `onAvailability is ${describeValue(onAvailability)}; expected a function`, 'leave it out');
  }
  if (typeof logger?.warn !== 'function') {
    misconfigured(WHERE, `logger is ${describeValue(logger)}; expected an object with warn(message)`, 'leave it out');
  }
  if (typeof reuseConnection !== 'boolean' || (reuseConnection && options.client === undefined)) {
    misconfigured(
      WHERE,
      `reuseConnection is ${describeValue(reuseConnection)}; expected true or false, and true only beside client`,
      'pass the client whose connection is to be used, or leave it out',
    );
  }
  const client = clientFrom(options);
  const dangers = client.isCluster === true ? dangersOfCluster : dangersOf;
  const patientLogger = patient(logger);
  for (const danger of reuseConnection ? dangers(client, deadlineMs) : []) {
    patientLogger.warn(`RedisStorage: reuseConnection with ${danger}, or leave out reuseConnection.`);
  }
  return { client, reuseConnection, prefix, deadlineMs, denyCache, onAvailability, logger: patientLogger };
}

/** Whoever cannot log cannot be told; requests must not suffer from it. */
function patient(logger: RedisStorageLogger): RedisStorageLogger {
  return {
    warn(message) {
      try {
        const told: unknown = logger.warn(message);
        if (told instanceof Promise) told.catch(() => {});
      } catch {
        // Nothing can be done.
      }
    },
  };
}
