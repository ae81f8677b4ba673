// Every contender answers one request of one subject per operation and reads whether it was allowed, what is left and
// when to come back. Each has a connection of its own, made as its documentation says.
import { createHash } from 'node:crypto';
import nestLab from '@nest-lab/throttler-storage-redis';
import { Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterUnion } from 'rate-limiter-flexible';
import { redisStore } from '@joint-ops/hitlimit/stores/redis';
import { Policy, RateLimiter } from '../../dist/esm/index.js';
import consume from '../../dist/esm/storage/redis/consume.lua.js';
import state from '../../dist/esm/storage/redis/state.lua.js';
import { RedisStorage } from '../../dist/esm/storage/redis/index.js';
import { OURS } from '../support/table.mjs';

const SECONDS = 3600;

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {(subject: string) => Promise<boolean>} decide whether the request was allowed
 * @property {() => unknown} close
 */

/** The least that a script can cost: as many keys, nothing done with them. */
export async function floor({ url, limits }) {
  const client = new Redis(url);
  const script = 'return 1';
  const digest = createHash('sha1').update(script).digest('hex');
  await client.script('LOAD', script);
  const names = limits.map((_, i) => `:${i}`);
  const decide =
    limits.length === 1
      ? async (subject) => (await client.evalsha(digest, 1, subject, '1')) === 1
      : async (subject) => (await client.evalsha(digest, names.length, ...names.map((name) => subject + name))) === 1;
  return { name: 'EVALSHA of "return 1"', decide, close: () => client.disconnect() };
}

/** Our own script, called once per decision with nothing around it: what batching has to be measured against. */
export async function plainScript({ url, limits }) {
  const client = new Redis(url);
  const script = state + consume;
  const digest = createHash('sha1').update(script).digest('hex');
  await client.script('LOAD', script);
  const micros = SECONDS * 1e6;
  const plan = JSON.stringify([
    1,
    limits.length,
    ...limits.flatMap((limit) => [micros, micros * limit, limit, 0]),
    1,
    1,
  ]);
  const decide = async (subject) => {
    const keys = limits.map((_, i) => `rl:{${subject}}limit${i}`);
    const reply = await client.evalsha(digest, keys.length, ...keys, plan);
    return reply[1] === 1 && reply[2] >= 0;
  };
  return { name: 'plain EVALSHA of our script', decide, close: () => client.disconnect() };
}

export async function tokenBucket({ limits, ...where }) {
  // A late answer would be an error; here it is to be counted as late.
  const storage = new RedisStorage({ ...where, deadlineMs: 10_000 });
  await storage.open();
  const limiter = new RateLimiter(storage);
  const policies = limits.map((capacity, i) => new Policy({ name: `limit${i}`, capacity, perSeconds: SECONDS }));
  const read = ({ allowed, remaining, retryAfterMs }) => allowed && remaining + retryAfterMs >= 0;
  const [policy] = policies;
  const decide =
    policies.length === 1
      ? async (subject) => read(await limiter.consume({ policy, subject }))
      : async (subject) => read(await limiter.consume(policies.map((each) => ({ policy: each, subject }))));
  return { name: OURS, decide, close: () => storage.close() };
}

/** The storage alone, asked once per limit and in sequence, as the guard of @nestjs/throttler does. */
export async function nestLabThrottler({ url, limits }) {
  const client = new Redis(url);
  const storage = new nestLab.ThrottlerStorageRedisService(client);
  const milliseconds = SECONDS * 1000;
  const decide = async (subject) => {
    for (let i = 0; i < limits.length; i++) {
      const record = await storage.increment(subject, milliseconds, limits[i], milliseconds, `limit${i}`);
      if (record.isBlocked) return record.timeToBlockExpire < 0;
    }
    return true;
  };
  return { name: '@nest-lab/throttler-storage-redis', decide, close: () => client.disconnect() };
}

/** The store alone, once per limit, as its middleware asks it. */
export async function hitlimit({ url, limits }) {
  const store = redisStore({ url });
  const decide = async (subject) => {
    for (let i = 0; i < limits.length; i++) {
      const { count, resetAt } = await store.hit(`limit${i}:${subject}`, SECONDS * 1000, limits[i]);
      if (count > limits[i]) return resetAt < 0;
    }
    return true;
  };
  return { name: 'hitlimit', decide, close: () => store.shutdown() };
}

/** Several limits as its union of limiters, which asks for all of them at once. */
export async function rateLimiterFlexible({ url, limits }, options = {}) {
  const client = new Redis(url);
  const limiters = limits.map(
    (points, i) =>
      new RateLimiterRedis({ storeClient: client, keyPrefix: `rlf${i}`, points, duration: SECONDS, ...options }),
  );
  const limiter = limiters.length === 1 ? limiters[0] : new RateLimiterUnion(...limiters);
  const decide = async (subject) => {
    try {
      await limiter.consume(subject);
      return true;
    } catch (refusal) {
      if (refusal instanceof Error) throw refusal;
      return false;
    }
  };
  return { name: 'rate-limiter-flexible', decide, close: () => client.disconnect() };
}

/** With its memory of who is denied, which has to be asked for. */
export async function rateLimiterFlexibleBlocking(plan) {
  const contender = await rateLimiterFlexible(plan, { inMemoryBlockOnConsumed: plan.limits[0] });
  return { ...contender, name: 'rate-limiter-flexible, inMemoryBlock' };
}
