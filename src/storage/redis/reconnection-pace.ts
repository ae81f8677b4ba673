import type { RedisClient } from './client.js';
import { eachConnection } from './each-connection.js';

/** A connection that is lost so soon after the one before was is one of a server that cannot be used … */
const AGAIN_WITHIN_MS = 1000;
/** … and is not made anew more often than this. */
const SHORTEST_PAUSE_MS = 250;

/** What is needed of a client, or of a node of a cluster, to have it wait before it connects anew. */
interface Reconnecting {
  readonly options: { retryStrategy?: ((attempt: number) => number) | null };
  on(event: 'ready', listener: () => void): unknown;
}

/**
 * Has a client wait that loses one connection after the other: each that stands, however shortly, makes ioredis count its
 * attempts from the first, and so connect without a pause to a server or a proxy that greets and then hangs up.
 */
export function paceReconnections(client: RedisClient): RedisClient {
  return eachConnection(client, pace);
}

function pace(connection: Reconnecting): void {
  const { options } = connection;
  const { retryStrategy } = options;
  // Of a node of a cluster there is none: it is found anew.
  if (typeof retryStrategy !== 'function') return;
  let hasStood = false;
  let lostMs = -Infinity;
  connection.on('ready', () => (hasStood = true));
  options.retryStrategy = (attempt) => {
    const delayMs = retryStrategy(attempt);
    if (!hasStood) return delayMs;
    const nowMs = performance.now();
    const isAgain = nowMs - lostMs < AGAIN_WITHIN_MS;
    hasStood = false;
    lostMs = nowMs;
    return isAgain ? delayMs + SHORTEST_PAUSE_MS : delayMs;
  };
}
