import { RedisMissingError, startRedis } from './redis-server.mjs';

/** One Redis for the whole run; workers inherit REDIS_URL. A server named by the user is taken as it is. */
export default async function globalSetup() {
  if (process.env.REDIS_URL) return;
  globalThis.redisOfThisRun = await startRedis().catch(explain);
  process.env.REDIS_URL = globalThis.redisOfThisRun.url;
}

/** Thrown on, jest would print it amid its own stack. */
function explain(error) {
  if (!(error instanceof RedisMissingError)) throw error;
  console.error(error.message);
  process.exit(1);
}
