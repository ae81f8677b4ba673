// Who is asked while a server fails: the Redis storage, and the same script called as peers call theirs, by a client of
// ioredis with its default options: no deadline, no breaker.
import { Cluster, Redis } from 'ioredis';
import { Policy } from '../../dist/esm/index.js';
import { RedisStorage } from '../../dist/esm/storage/redis/index.js';
import { bucketKey } from '../../dist/esm/storage/redis/key.js';
import consume from '../../dist/esm/storage/redis/consume.lua.js';
import state from '../../dist/esm/storage/redis/state.lua.js';
import { OURS } from '../support/table.mjs';

const DAY_MICROS = 86_400 * 1e6;
const PREFIX = 'rl:';
/** Each request has a bucket of its own that holds one token: all are to be allowed, once. */
const policy = new Policy({ name: 'once', capacity: 1, refillTokens: 1, refillSeconds: 86_400 });

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {(subject: string) => Promise<boolean>} decide whether the request was allowed; rejects when nobody can say
 * @property {(subject: string) => string} keyOf what there is of a subject that was charged
 * @property {() => unknown} close
 */

/** @param {object} where the options of the storage that say so */
export async function ours(where) {
  const storage = new RedisStorage({ ...where, prefix: PREFIX, logger: { warn: () => {} } });
  await storage.open();
  return {
    name: OURS,
    decide: async (subject) => (await storage.consume([{ policy, subject, cost: 1 }])).allowed,
    keyOf: (subject) => bucketKey(PREFIX, { policy, subject }),
    close: () => storage.close(),
  };
}

export function plain({ cluster, options }) {
  const client = cluster === undefined ? new Redis(options) : new Cluster(cluster.nodes);
  client.on('error', () => {});
  client.defineCommand('consume', { lua: state + consume, numberOfKeys: 1 });
  const keyOf = (subject) => `plain:{${subject}}`;
  const plan = JSON.stringify([1, 1, DAY_MICROS, DAY_MICROS, 1, 0, 1, 1]);
  return {
    name: 'ioredis, default options',
    decide: async (subject) => (await client.consume(keyOf(subject), plan))[1] === 1,
    keyOf,
    close: () => client.disconnect(),
  };
}
