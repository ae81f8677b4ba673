import type { RedisClient } from './client.js';

/** What is needed of a client, or of a node of a cluster, to have it connect anew. */
interface Reconnecting {
  readonly options: { reconnectOnError?: ((error: Error) => boolean) | null };
  on(event: 'close', listener: () => void): unknown;
}

/**
 * A server that became a replica refuses writes for ever: the client connects anew, to whoever is the master now. It is
 * told so once per connection, however many refusals come on it: each time, ioredis adds a listener to the socket.
 *
 * @param onRefusal called as often, before whoever asked knows.
 */
export function leaveReplicas(client: RedisClient, onRefusal: (reason: string) => void): RedisClient {
  // Of a cluster, each node has its own connection and its own breaker; another's refusal says nothing about it.
  if (client.isCluster === true) client.on('+node', (node: unknown) => leaveOnce(node as Reconnecting, () => {}));
  else leaveOnce(client as unknown as Reconnecting, onRefusal);
  return client;
}

function leaveOnce(connecting: Reconnecting, onRefusal: (reason: string) => void): void {
  let isLeft = false;
  connecting.on('close', () => (isLeft = false));
  connecting.options.reconnectOnError = ({ message }) => {
    // A script may have an error of its own around it.
    if (isLeft || !message.includes('READONLY')) return false;
    isLeft = true;
    onRefusal(message);
    return true;
  };
}
