import type { RedisClient } from './client.js';

/**
 * Has `watch` see the client, or, because a cluster is no connection, each of its nodes before it connects. All that it sees
 * are of ioredis, which keeps much of a connection to itself.
 */
export function eachConnection<Connection>(client: RedisClient, watch: (connection: Connection) => void): RedisClient {
  if (client.isCluster === true) client.on('+node', (node: unknown) => watch(node as Connection));
  else watch(client as unknown as Connection);
  return client;
}
