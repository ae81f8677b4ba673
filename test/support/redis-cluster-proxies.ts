import type { RedisClusterNodes } from '../../src/storage/redis/cluster-client.js';
import type { TestCluster } from './redis-cluster.js';
import { RedisProxy } from './redis-proxy.js';

export interface ClusterProxies {
  /** One per master, in their order. */
  readonly proxies: readonly RedisProxy[];
  /** The way to the masters that leads through them. */
  readonly cluster: RedisClusterNodes;
  readonly stop: () => Promise<unknown>;
}

/** A wire to each master that can be cut; the nodes themselves know nothing of it. */
export async function proxiesBefore({ masters, nodes }: TestCluster): Promise<ClusterProxies> {
  const proxies = await Promise.all(masters.map(({ server }) => RedisProxy.start(server.port)));
  const entrances = proxies.map(({ url }) => ({ host: '127.0.0.1', port: Number(new URL(url).port) }));
  const natMap = Object.fromEntries(nodes.map(({ host, port }, i) => [`${host}:${port}`, entrances[i]!]));
  const stop = () => Promise.all(proxies.map((proxy) => proxy.stop()));
  return { proxies, cluster: { nodes: entrances, options: { natMap } }, stop };
}
