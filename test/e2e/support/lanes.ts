import { MemoryStorage, type RateLimitStorage } from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { redisUrl, uniquePrefix } from '../../support/redis-testing.js';
import { type AppSettings, PLATFORMS, type RunningApp, startApp } from './app.js';

const STORAGES = ['memory', 'redis'] as const;
export type StorageKind = (typeof STORAGES)[number];

/** Every platform with every storage, for `describe.each`. */
export const LANES = PLATFORMS.flatMap((platform) => STORAGES.map((storage) => ({ platform, storage })));

/** An empty storage: in memory, where time stands still, or in the Redis of this run, where it does not. */
export function makeStorage(kind: StorageKind): RateLimitStorage {
  return kind === 'memory'
    ? new MemoryStorage({ clock: new ManualClock() })
    : // A machine that is busy with other specs must not look like a Redis that is down.
      new RedisStorage({ url: redisUrl(), prefix: uniquePrefix(), deadlineMs: 10_000 });
}

/** Starts applications, each of which is closed after its test. */
export function useApps(): (settings: AppSettings) => Promise<RunningApp> {
  const running: RunningApp[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.close()));
  });
  return async (settings) => {
    const app = await startApp(settings);
    running.push(app);
    return app;
  };
}
