import { RedisStorage } from 'nestjs-token-bucket/redis';
import { createApp } from './create-app.js';
import { tryItAt } from './examples.js';

const { PORT = '3000', HOST = '127.0.0.1', REDIS_URL, REDIS_PREFIX } = process.env;

// Buckets in Redis are shared by every instance of the application; without it each keeps its own in memory.
const storage = REDIS_URL ? new RedisStorage({ url: REDIS_URL, prefix: REDIS_PREFIX }) : undefined;

const app = await createApp({ storage });
app.enableShutdownHooks();
await app.listen(Number(PORT), HOST);

console.log(`\nBuckets are kept in ${REDIS_URL ? 'Redis' : 'memory (set REDIS_URL to share them between instances)'}.`);
console.log(tryItAt(await app.getUrl()));
