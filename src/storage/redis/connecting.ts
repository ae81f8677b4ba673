import { RateLimitConfigurationError } from '../../core/errors.js';
import type { RedisClient } from './client.js';
import { reasonOf, toError } from './failures.js';
import type { Trouble } from './trouble.js';

/**
 * Settles when the client is ready, however long that takes; rejects with the reason why it is not, as soon as that is
 * known.
 */
export async function connect(client: RedisClient, trouble: Trouble, isClosed: () => boolean): Promise<void> {
  if (client.status === 'ready') return;
  if (client.status === 'end') {
    throw new RateLimitConfigurationError(
      'RedisStorage: the client that was handed in is closed. Remedy: close it after the application, or leave out reuseConnection.',
    );
  }
  const isReady = () => new Promise<void>((resolve) => client.once('ready', () => resolve()));
  if (client.status !== 'wait') return isReady();
  try {
    await client.connect();
  } catch (error) {
    if (hasEnded(client) && !isClosed()) throw gaveUp(trouble.latest ?? toError(error));
    // The promise only tells that the connection was closed. The event before it told why; of a cluster, perhaps the next.
    trouble.note(error);
    if (client.isCluster === true) await Promise.race([isReady(), trouble.told]);
    if (!isReadyNow(client)) throw trouble.latest ?? error;
  }
}

/** Once more than ioredis, which stays in database 0 and goes on where another cannot be selected. */
export async function selectDatabase(client: RedisClient): Promise<void> {
  const database = client.options?.db ?? 0;
  if (database > 0) await client.select?.(database);
}

function gaveUp(cause: Error): RateLimitConfigurationError {
  return new RateLimitConfigurationError(
    `RedisStorage: the client gave up connecting (${reasonOf(cause)}). Remedy: correct the address of the server.`,
    { cause },
  );
}

// Read anew: it changes meanwhile.
const hasEnded = ({ status }: RedisClient): boolean => status === 'end';
const isReadyNow = ({ status }: RedisClient): boolean => status === 'ready';
