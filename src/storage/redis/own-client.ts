import { connectionProfile, type RedisClient } from './client.js';
import { duplicateCluster } from './cluster-client.js';
import { leaveReplicas } from './read-only.js';
import { paceReconnections } from './reconnection-pace.js';
import type { CheckedRedisOptions } from './redis.options.js';
import { hearAllErrors } from './socket-errors.js';
import { timeSilence } from './socket-timer.js';

/**
 * A client of our own, made like the one that was handed in, with the connection profile that every promise rests on.
 * @param onRefusal told why, when the server must not be written and is left.
 */
export function ownClient(
  { client, deadlineMs }: CheckedRedisOptions,
  onRefusal: (reason: string) => void,
): RedisClient {
  const isCluster = client.isCluster === true;
  const copy = isCluster ? duplicateCluster(client, deadlineMs) : client.duplicate(connectionProfile(deadlineMs));
  return leaveReplicas(paceReconnections(timeSilence(hearAllErrors(copy))), onRefusal);
}
