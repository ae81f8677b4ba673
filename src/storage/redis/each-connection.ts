import type { RedisClient } from './client.js';

/**
 * Has `watch` see the client, or, because a cluster is no connection, each of its nodes before it connects. All that it sees
 * are of ioredis, which keeps much of a connection to itself: whoever watches says what it takes them to be.
 */
export function eachConnection(client: RedisClient, watch: (connection: never) => void): RedisClient {
  if (client.isCluster === true) client.on('+node', (node: unknown) => watch(node as never));
  else watch(client as never);
  return client;
}
