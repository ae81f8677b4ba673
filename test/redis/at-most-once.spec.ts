import { Redis } from 'ioredis';
import { StorageFailureError, StorageTimeoutError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.mjs';
import { eventually } from '../support/redis-testing.js';

// A token takes a day to come back, so debts tell exactly how often the script ran.
const policy = new Policy({ capacity: 1000, refillTokens: 1, refillSeconds: 86_400 });
const charges = [{ policy, subject: 'user:1', cost: 1 }];
const logger = { warn: () => {} };

let server: Awaited<ReturnType<typeof startRedis>>;
let proxy: RedisProxy;
let direct: RedisStorage;

beforeEach(async () => {
  server = await startRedis();
  proxy = await RedisProxy.start(server.port);
  direct = new RedisStorage({ url: server.url, deadlineMs: 5000 });
});
afterEach(async () => {
  await direct.close();
  await proxy.stop();
  await server.stop();
});

async function timesCharged(): Promise<number> {
  const { debtUnits } = await direct.peek(charges);
  return Math.ceil(debtUnits[0]! / policy.refillMicros);
}

async function isBack(storage: RedisStorage): Promise<void> {
  await eventually(() =>
    storage.peek(charges).then(
      () => true,
      () => false,
    ),
  );
}

test('a decision whose answer is cut off is not sent again, however often', async () => {
  const handedIn = new Redis(proxy.url); // with the default settings, which resend
  handedIn.on('error', () => {});
  const storage = new RedisStorage({ client: handedIn, deadlineMs: 5000, logger });
  await storage.open();
  await storage.consume(charges);
  for (let cuts = 1; cuts <= 20; cuts++) {
    proxy.answers = 'cut';
    await expect(storage.consume(charges)).rejects.toThrow(StorageFailureError);
    proxy.answers = 'pass on';
    await isBack(storage);
    expect(await timesCharged()).toBe(1 + cuts);
  }
  await storage.close();
  handedIn.disconnect();
});

test('a decision that is given up while Redis is away is not sent when it is back', async () => {
  const storage = new RedisStorage({ url: proxy.url, deadlineMs: 20, logger });
  await storage.open();
  await isBack(storage);
  const before = await timesCharged();
  proxy.answers = 'cut';
  const failures = await Promise.all(
    Array.from({ length: 10 }, () =>
      Promise.resolve(storage.consume(charges)).then(
        () => 'taken',
        () => 'failed',
      ),
    ),
  );
  expect(failures).toEqual(Array.from({ length: 10 }, () => 'failed'));
  const sentBeforeTheCut = (await timesCharged()) - before;
  for (let i = 0; i < 50; i++) await expect(storage.consume(charges)).rejects.toThrow(StorageFailureError);
  proxy.answers = 'pass on';
  await isBack(storage);
  expect((await timesCharged()) - before).toBe(sentBeforeTheCut);
  await storage.close();
});

test('the text of a script is not sent after the deadline', async () => {
  const storage = new RedisStorage({ url: proxy.url, deadlineMs: 50, logger });
  await storage.open();
  const admin = new Redis(server.url);
  await admin.script('FLUSH');
  // Answers are held back until nobody waits for them: the server says that it does not know the script, too late.
  proxy.answers = 'keep back';
  await expect(storage.consume(charges)).rejects.toThrow(StorageTimeoutError);
  proxy.release();
  await isBack(storage);
  expect(await timesCharged()).toBe(0);
  await admin.quit();
  await storage.close();
});
