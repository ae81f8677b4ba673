// Plays a burst and a refill against the built sample app, and fails if what comes back is not the story told here:
// 15 requests at once, of which 10 are allowed and 5 denied; 3 seconds later 6 tokens have arrived, enough for 6 of 8.
// With --redis two instances take turns and share one bucket.
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { startRedis } from '../test/support/redis-server.mjs';
import { startApp } from './demo/app-process.mjs';
import { tellStory, warmUp } from './demo/story.mjs';

const { values: options } = parseArgs({ options: { redis: { type: 'boolean', default: false } } });

// By exit() and not by the signal itself, so that the exit handlers run that end the instances.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const running = [];
try {
  const urls = await start();
  await warmUp(urls);
  process.exitCode = (await tellStory(urls)) ? 0 : 1;
} finally {
  // The instances before the server that they are connected to.
  for (const { stop } of running.toReversed()) await stop();
}

async function start() {
  if (!options.redis) {
    console.log('One instance, buckets in its memory.');
    return [await startInstance({ REDIS_URL: undefined })];
  }
  const url = process.env.REDIS_URL || (await startServer());
  console.log(`Two instances that take turns, buckets in Redis at ${new URL(url).host}.`);
  // Of its own, so that nothing that happened before has taken tokens.
  const env = { REDIS_URL: url, REDIS_PREFIX: `demo-${randomUUID()}:` };
  return [await startInstance(env), await startInstance(env)];
}

async function startServer() {
  const server = await startRedis();
  running.push(server);
  return server.url;
}

async function startInstance(env) {
  const app = await startApp(env);
  running.push(app);
  return app.url;
}
