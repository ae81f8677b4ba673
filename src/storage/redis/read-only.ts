import type { RedisClient } from './client.js';
import { eachConnection } from './each-connection.js';

/** What is needed of a client, or of a node of a cluster, to have it connect anew. */
interface Reconnecting {
  readonly options: {
    reconnectOnError?: ((error: Error) => boolean) | null;
  };
  on(event: 'close', listener: () => void): unknown;
}

/**
 * A server that became a replica refuses writes for ever: the client connects anew, to whoever is the master now. It is
 * told so once per connection, however many refusals come on it: each time, ioredis adds a listener to the socket.
 *
 * @param onRefusal called as often, before whoever asked knows.
 */
export function leaveReplicas(client: RedisClient, onRefusal: (reason: string) => void): RedisClient {
  // Each node of a cluster has a breaker of its own; another's refusal says nothing about it.
  const tell = client.isCluster === true ? () => {} : onRefusal;
  return eachConnection(client, (connection: Reconnecting) => leaveOnce(connection, tell));
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
