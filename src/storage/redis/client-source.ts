import { Redis, type RedisOptions } from 'ioredis';
import { describeValue, misconfigured } from '../../core/errors.js';
import type { RedisClient } from './client.js';
import { checkedCluster, fromClusterNodes, type RedisClusterNodes } from './cluster-client.js';

/** Where Redis is, as the user said it: exactly one of the four. */
export interface ClientSource {
  readonly url?: unknown;
  readonly options?: RedisOptions;
  readonly client?: RedisClient;
  readonly cluster?: RedisClusterNodes;
}

/** The place that messages about the options name. */
export const WHERE = 'new RedisStorage';
const SOURCES = ['url', 'options', 'client', 'cluster'] as const;
const URL_REMEDY =
  'set it to where Redis is, such as "redis://user:password@redis.example:6379/0"; is the variable of the environment set?';

const DATABASE_REMEDY = 'write the number of the database, from 0, or leave it out for 0';

/** A client of that server which has not connected, or the one that was handed in. @throws RateLimitConfigurationError */
export function clientFrom(source: ClientSource): RedisClient {
  const { url, options, client, cluster } = source;
  const given = SOURCES.filter((name) => source[name] !== undefined);
  if (given.length > 1) misconfigured(WHERE, `${given.join(' and ')} stand side by side`, 'say once where Redis is');
  if (client !== undefined) return withDatabase(handedIn(client), 'client');
  if (options !== undefined) return withDatabase(fromOptions(options), 'options');
  if (cluster !== undefined) return fromClusterNodes(cluster, WHERE);
  if ('url' in source) return withDatabase(fromUrl(url), 'url');
  const named = SOURCES.find((name) => name in source);
  return misconfigured(
    WHERE,
    named === undefined ? 'it is not said where Redis is' : `${named} is undefined`,
    `pass one of ${SOURCES.join(', ')}`,
  );
}

function fromUrl(url: unknown): RedisClient {
  if (typeof url !== 'string' || url.trim() === '') {
    misconfigured(WHERE, `url is ${describeValue(url)}; expected a string`, URL_REMEDY);
  }
  if (!/^\/[^/]/.test(url)) checkServer(url);
  return new Redis(url, { lazyConnect: true });
}

function checkServer(url: string): void {
  const { hostname, pathname } = partsOf(url);
  if (hostname === '') {
    misconfigured(WHERE, `url is ${describeUrl(url)}; expected redis:// or rediss:// and a host`, URL_REMEDY);
  }
  // ioredis reads what begins like a number as that number.
  if (!/^(\/\d*)?$/.test(pathname)) {
    misconfigured(WHERE, `url is ${describeUrl(url)}, whose path is no database`, DATABASE_REMEDY);
  }
}

/** ioredis would stay in database 0 without a word, or end the process when it has connected. */
function withDatabase(client: RedisClient, source: string): RedisClient {
  const database = client.options?.db ?? 0;
  if (!Number.isSafeInteger(database) || database < 0) {
    misconfigured(WHERE, `the database of ${source} is ${describeValue(database)}`, DATABASE_REMEDY);
  }
  return client;
}

function partsOf(url: string): Pick<URL, 'hostname' | 'pathname'> {
  if (!/^rediss?:\/\//i.test(url)) return { hostname: '', pathname: '' };
  try {
    return new URL(url);
  } catch {
    misconfigured(
      WHERE,
      `url is ${describeUrl(url)}, which cannot be read`,
      'percent-encode the special characters of the user name and the password, and check the port',
    );
  }
}

/** A URL holds the password; messages end in logs. */
function describeUrl(url: string): string {
  return describeValue(url.replace(/^(\w+:\/\/)?.*@/s, '$1***@'));
}

function fromOptions(options: RedisOptions): RedisClient {
  if (typeof options !== 'object' || options === null) {
    misconfigured(WHERE, `options is ${describeValue(options)}; expected options of ioredis`, 'pass { host: … }');
  }
  const { host, path, sentinels, Connector } = options;
  if (!host && !path && !sentinels?.length && Connector === undefined) {
    misconfigured(
      WHERE,
      `options names no server: host is ${describeValue(host)}`,
      'add host, path or sentinels; is the variable of the environment set?',
    );
  }
  return new Redis({ ...options, lazyConnect: true });
}

function handedIn(client: RedisClient): RedisClient {
  if (typeof client?.evalsha !== 'function' || typeof client.duplicate !== 'function') {
    misconfigured(
      WHERE,
      `client is ${describeClient(client)}; expected a Redis or Cluster of ioredis`,
      'pass new Redis(…), new Cluster(…), or a url',
    );
  }
  return client.isCluster === true ? checkedCluster(client, WHERE) : client;
}

/** A client holds the password too, so no more than its class is told. */
function describeClient(client: unknown): string {
  if (typeof client !== 'object' || client === null) return describeValue(client);
  const prototype: unknown = Object.getPrototypeOf(client);
  return typeof prototype === 'object' ? `an object of ${prototype?.constructor.name ?? 'no class'}` : 'an object';
}
