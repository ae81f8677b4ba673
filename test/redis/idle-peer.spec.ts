import { StorageTimeoutError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.mjs';
import { cleanUpAfterAll, eventually } from '../support/redis-testing.js';

/** In a row, after which the breaker is open. */
const FAILURES = 5;
const DECISIONS = 500;
const policy = new Policy({ capacity: 1_000_000, perSeconds: 3600 });

let server: Awaited<ReturnType<typeof startRedis>>;
const cleanups = cleanUpAfterAll();

beforeAll(async () => {
  server = await startRedis();
  cleanups.push(() => server.stop());
});

/** docs/decisions/0011-no-heartbeat.md rests on it: this is all that a heartbeat would spare. */
test.concurrent.each([1, 4, 100])(
  'a peer that died unheard while nobody asked: of %d at a time those under way wait, or five, and then nobody',
  async (atATime) => {
    const proxy = await RedisProxy.start(server.port);
    cleanups.push(() => proxy.stop());
    const storage = new RedisStorage({ url: proxy.url, deadlineMs: 100, logger: { warn: () => {} } });
    cleanups.push(() => storage.close());
    await storage.open();
    const ask = async (subject: string) =>
      Promise.resolve(storage.consume([{ policy, subject, cost: 1 }])).then(
        () => 'answered',
        (error: unknown) => (error instanceof StorageTimeoutError ? 'waited' : 'not asked'),
      );
    expect(await ask('user:0')).toBe('answered');

    proxy.silenceAll();
    let calls = 0;
    proxy.onRequest = (data) => {
      if (data.includes('user:')) calls++;
    };
    const outcomes: string[] = [];
    while (outcomes.length < DECISIONS) {
      outcomes.push(...(await Promise.all(Array.from({ length: atATime }, (_, i) => ask(`user:${i}`)))));
    }
    const waited = outcomes.filter((outcome) => outcome === 'waited').length;
    console.log(`dead peer, ${atATime} at a time: ${waited} of ${DECISIONS} waited, in ${calls} pieces`);
    expect(waited).toBe(Math.ceil(FAILURES / atATime) * atATime);
    expect(outcomes.lastIndexOf('waited')).toBe(waited - 1);
    expect(outcomes).not.toContain('answered');
    // By then there is another connection.
    await eventually(async () => (await ask('user:0')) === 'answered');
  },
  30_000,
);
