import { Cluster, type ClusterOptions } from 'ioredis';
import { describeValue, misconfigured } from '../../core/errors.js';
import { connectionProfile, dangersOfHaste, dangersOfRetries, dangersOfSilence, type RedisClient } from './client.js';

const SLOTS_REFRESH_TIMEOUT_MS = 500;
const RETRY_DELAY_MS = 20;

/** Where a cluster is. */
export interface RedisClusterNodes {
  /** Some of its nodes; the others are found by them. */
  readonly nodes: readonly { readonly host: string; readonly port?: number }[];
  /** Options of ioredis' `Cluster`: TLS and credentials in `redisOptions`, `natMap` and so on. */
  readonly options?: ClusterOptions;
}

/** What is needed of a `Cluster` beside what every client has. */
interface ClusterClient {
  readonly options?: ClusterSettings;
  readonly slots?: readonly (readonly string[] | undefined)[];
  duplicate(nodes: readonly [], overrides: object): RedisClient;
  /** Of a client that was made elsewhere, perhaps not there. */
  refreshSlotsCache?(callback: () => void): void;
  on(event: '+node', listener: (node: ClusterNode) => void): unknown;
  emit(event: 'node error', error: unknown): unknown;
}

interface ClusterSettings {
  readonly keyPrefix?: string;
  readonly natMap?: ClusterOptions['natMap'];
  readonly redisOptions?: {
    readonly keyPrefix?: string;
    readonly socketTimeout?: number;
    readonly commandTimeout?: number;
  };
  readonly clusterRetryStrategy?: unknown;
  readonly enableOfflineQueue?: boolean;
  readonly retryDelayOnFailover?: number;
}

interface ClusterNode {
  readonly status: string;
  readonly options: { readonly readOnly?: boolean };
  cluster(subcommand: 'INFO'): Promise<unknown>;
}

/** A client of that cluster which has not connected. @throws RateLimitConfigurationError */
export function fromClusterNodes(cluster: RedisClusterNodes, where: string): RedisClient {
  const nodes: unknown = cluster?.nodes;
  if (!Array.isArray(nodes) || nodes.length === 0) {
    const found =
      nodes === undefined ? `cluster is ${describeValue(cluster)}` : `cluster.nodes is ${describeValue(nodes)}`;
    misconfigured(where, `${found}; expected nodes of the cluster`, 'pass { nodes: [{ host: …, port: … }] }');
  }
  nodes.forEach((node: { host?: unknown; port?: unknown } | undefined, i) => {
    const host = node?.host;
    if (typeof host === 'string' && host !== '') return;
    misconfigured(
      where,
      `cluster.nodes[${i}] names no server: host is ${describeValue(host)}`,
      'write { host: …, port: … }; is the variable of the environment set?',
    );
  });
  const copies = cluster.nodes.map(({ host, port }) => ({ host, port }));
  return checkedCluster(new Cluster(copies, { ...cluster.options, lazyConnect: true }), where);
}

/** The client, which must leave it to the storage what the hash tag of a key is. @throws RateLimitConfigurationError */
export function checkedCluster<T extends RedisClient>(client: T, where: string): T {
  const { options = {} } = asCluster(client);
  const keyPrefix = options.keyPrefix ?? options.redisOptions?.keyPrefix ?? '';
  if (keyPrefix.includes('{')) {
    misconfigured(
      where,
      `the client of the cluster has the keyPrefix ${describeValue(keyPrefix)}; its brace would decide the slots`,
      'leave the braces out of it',
    );
  }
  return client;
}

/**
 * A client of the same cluster with connections as the storage needs them. Two settings are not what one would expect.
 * ioredis repeats a command when the connection closed under it, even after the node may have run it, so it must not
 * repeat any (`retryDelayOnFailover`); and with `enableOfflineQueue: false` it drops what is to be sent to a node that is
 * being connected, which after a failover is the new master. Its queue holds nothing else: Connection sends nothing while
 * the cluster is not ready.
 */
export function duplicateCluster(client: RedisClient, deadlineMs: number): RedisClient {
  const cluster = asCluster(client);
  const { lazyConnect, enableOfflineQueue: _, retryStrategy, ...profile } = connectionProfile(deadlineMs);
  const copy = cluster.duplicate([], {
    lazyConnect,
    clusterRetryStrategy: retryStrategy,
    clusterNodeRetryStrategy: null,
    enableOfflineQueue: true,
    enableReadyCheck: true,
    enableAutoPipelining: false,
    shardedSubscribers: false,
    scaleReads: 'master',
    maxRedirections: 3,
    retryDelayOnFailover: 0,
    retryDelayOnMoved: 0,
    retryDelayOnTryAgain: 0,
    retryDelayOnClusterDown: RETRY_DELAY_MS,
    slotsRefreshTimeout: SLOTS_REFRESH_TIMEOUT_MS,
    // ioredis 5 replaces these options as a whole, and 6 merges them.
    redisOptions: { ...cluster.options?.redisOptions, ...profile },
  });
  connectMasters(asCluster(copy));
  return copy;
}

/**
 * ioredis connects to a node when it has something to ask; then a request would wait for that. It also asks one of them
 * whether the cluster is ready, and keeps to itself why it is not; so each is asked the same before, and what it says is told.
 */
function connectMasters(cluster: ClusterClient): void {
  const tell = (error: unknown) => void cluster.emit('node error', error);
  cluster.on('+node', (node) => {
    if (node.status !== 'wait' || node.options.readOnly === true) return;
    node.cluster('INFO').then((info) => {
      if (String(info).includes('cluster_state:fail')) tell(new Error('CLUSTERDOWN cluster_state:fail'));
    }, tell);
  });
}

/**
 * The address of the master that has the slot, as far as the client knows. Where addresses are translated, it keeps the
 * foreign one for a while after a node has sent it on to another; that is no further node.
 */
export function nodeOf(client: RedisClient | undefined, slot: number): string | undefined {
  if (client === undefined) return undefined;
  const { slots, options } = asCluster(client);
  const address = slots?.[slot]?.[0];
  const natMap = options?.natMap;
  if (address === undefined || typeof natMap === 'function') return address;
  const ours = natMap?.[address];
  return ours === undefined ? address : `${ours.host}:${ours.port}`;
}

/** Asks the nodes who has which slot; ioredis does so by itself only once it knows that a connection is lost. */
export function refreshSlots(client: RedisClient | undefined): void {
  if (client !== undefined) asCluster(client).refreshSlotsCache?.(() => {});
}

/** A client says of itself that it is a cluster, and is taken at its word. */
function asCluster(client: RedisClient): ClusterClient {
  return client as unknown as ClusterClient;
}

/** As `dangersOf` for a single server. */
export function dangersOfCluster(client: RedisClient, deadlineMs: number): readonly string[] {
  const { options = {} } = asCluster(client);
  const dangers: string[] = [];
  if (options.enableOfflineQueue !== false) {
    dangers.push(
      'enableOfflineQueue: a decision that failed while the cluster was away is charged when it is back. Set it to false',
    );
  }
  if (options.retryDelayOnFailover !== 0) {
    dangers.push('retryDelayOnFailover: a decision whose answer was lost is sent again and charged twice. Set it to 0');
  }
  const { redisOptions, clusterRetryStrategy } = options;
  return [
    ...dangers,
    ...dangersOfSilence(redisOptions?.socketTimeout, deadlineMs),
    ...dangersOfHaste(redisOptions?.commandTimeout, deadlineMs),
    ...dangersOfRetries({ clusterRetryStrategy }),
  ];
}
