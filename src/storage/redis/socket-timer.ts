import type { RedisClient } from './client.js';

/** What a connection of ioredis keeps to itself. */
interface Timed {
  socketTimeoutTimer?: NodeJS.Timeout | undefined;
}

/**
 * ioredis 5 lets the timer of `socketTimeout` run when a connection is lost that owed an answer. It would keep the process
 * alive, and end the connection that was made since, which owes nothing (redis/ioredis#2147). ioredis 6 stops it itself.
 */
export function stopTimersOnClose(client: RedisClient): RedisClient {
  stopOnClose(client);
  // A cluster has no timer; its nodes have.
  client.on('+node', (node: unknown) => stopOnClose(node as RedisClient));
  return client;
}

function stopOnClose(client: RedisClient): void {
  const timed = client as Timed;
  client.on('close', () => {
    clearTimeout(timed.socketTimeoutTimer);
    timed.socketTimeoutTimer = undefined;
  });
}
