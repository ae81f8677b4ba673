import { RedisStorage } from 'nestjs-token-bucket/redis';
import { createApp } from './create-app.js';
import { tryItAt } from './examples.js';
import { listen, PortTakenError } from './listen.js';
import { trustedProxies } from './trusted-proxies.js';

const { PORT = '3000', HOST = '127.0.0.1', REDIS_URL, REDIS_PREFIX, TRUST_PROXY } = process.env;

// Buckets in Redis are shared by every instance of the application; without it each keeps its own in memory.
const storage = REDIS_URL ? new RedisStorage({ url: REDIS_URL, prefix: REDIS_PREFIX }) : undefined;

const app = await createApp({ storage });
// Limits count per client address, which behind a proxy only the proxy knows. Believe your own proxies, and none beside.
// With Fastify it is an option of the adapter: new FastifyAdapter({ trustProxy: ['127.0.0.1', '10.0.0.0/8'] }).
app.set('trust proxy', trustedProxies(TRUST_PROXY));
app.enableShutdownHooks();
try {
  await listen(app, Number(PORT), HOST);
} catch (error) {
  await app.close();
  if (!(error instanceof PortTakenError)) throw error;
  console.error(error.message);
  process.exit(1);
}

console.log(`\nBuckets are kept in ${REDIS_URL ? 'Redis' : 'memory (set REDIS_URL to share them between instances)'}.`);
console.log(tryItAt(await app.getUrl()));
