import type { RedisClient } from './client.js';
import { eachConnection } from './each-connection.js';

/** What is used of a connection of ioredis. */
interface Connected {
  readonly stream?: { on(event: 'error', listener: () => void): unknown };
  on(event: 'connect' | 'error', listener: () => void): unknown;
}

/**
 * ioredis hears one error of a socket, and one that nobody hears ends the process. There are two where a connection is
 * closed while it agrees on TLS: that the certificate is another's, or that what was still to be sent cannot be; and then the
 * complaint of the server about the end.
 */
export function hearAllErrors(client: RedisClient): RedisClient {
  return eachConnection(client, (connection: Connected) => {
    let heard: Connected['stream'];
    const hear = () => {
      const { stream } = connection;
      if (stream !== heard) stream?.on('error', ignore);
      heard = stream;
    };
    connection.on('connect', hear);
    // The first may come before.
    connection.on('error', hear);
  });
}

function ignore(): void {}
