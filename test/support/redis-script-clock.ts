import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import type { Clock } from '../../src/core/clock.js';
import type { RedisClient } from '../../src/storage/redis/client.js';
import type { RedisStorageOptions } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';

/** 2100-01-01, which no server's clock has reached: Redis must not expire what is still to be read. */
export const FAR_AHEAD_MICROS = 4_102_444_800_000_000;

const SERVER_TIME = "local time = redis.call('TIME')";
const GIVEN_TIME = 'local time = {table.remove(ARGV, #ARGV - 1), table.remove(ARGV)}';

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');

/**
 * A client that runs every script with the time of a clock instead of TIME: the one line that asks the server is
 * replaced, the rest is the script as it is. To be handed in with `reuseConnection`. The clock must be ahead of the
 * server's, or keys expire too soon.
 */
export function withScriptClock(real: Redis | Cluster, clock: Clock): RedisClient {
  const textBySha1 = new Map<string, string>();

  const runAtClock = async (text: string, numberOfKeys: number, ...rest: string[]) => {
    const nowMicros = clock.nowMicros();
    const time = [String(Math.floor(nowMicros / 1_000_000)), String(nowMicros % 1_000_000)];
    const changed = text.replace(SERVER_TIME, GIVEN_TIME);
    try {
      return await real.evalsha(sha1(changed), numberOfKeys, ...rest, ...time);
    } catch (error) {
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
      return await real.eval(changed, numberOfKeys, ...rest, ...time);
    }
  };

  const client: RedisClient = {
    status: 'ready',
    isCluster: real.isCluster,
    options: { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, socketTimeout: 5000 },
    evalsha: async (digest, numberOfKeys, ...rest) => {
      const text = textBySha1.get(digest);
      if (text === undefined) throw new Error('NOSCRIPT this client has not seen the text yet');
      return runAtClock(text, numberOfKeys, ...rest);
    },
    eval: async (text, numberOfKeys, ...rest) => {
      textBySha1.set(sha1(text), text);
      return runAtClock(text, numberOfKeys, ...rest);
    },
    del: (...keys) => real.del(...keys),
    connect: () => Promise.resolve(),
    quit: () => Promise.resolve(),
    disconnect: () => {},
    duplicate: () => client,
    on: () => client,
    once: () => client,
    removeListener: () => client,
  };
  return client;
}

/** A storage whose scripts run at the time of a clock; what is tried with it is answers, not how soon they come. */
export function storageAtClock(real: Redis, clock: Clock, options: Partial<RedisStorageOptions>): RedisStorage {
  return new RedisStorage({
    ...options,
    client: withScriptClock(real, clock),
    reuseConnection: true,
    deadlineMs: 10_000,
  } as RedisStorageOptions);
}
