import type { Charge } from '../../src/core/charge.js';
import { bucketKey } from '../../src/storage/redis/key.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { otherAlgorithms } from '../support/redis-policies.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { deleteUnder, keysUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

const prefix = uniquePrefix();
const client = plainClient();
const storage = new RedisStorage({ client, prefix, deadlineMs: 5000, denyCache: false });
const windows = otherAlgorithms().filter(({ windowMicros }) => windowMicros > 0);

beforeAll(() => storage.open());
afterAll(async () => {
  await storage.close();
  await deleteUnder(client, prefix);
  await client.quit();
});

/** What it says of the bucket now: when it is full. */
async function fullAtMicros(charge: Charge): Promise<number> {
  return (await storage.peek([charge])).instants![0]!.fullAtMicros;
}

test('after any history every key expires in the millisecond after nothing of it counts', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const taken: { readonly charge: Charge; readonly takenAt: number }[] = [];
  const charges = windows.flatMap((policy) =>
    Array.from({ length: 10 }, (_, i): Charge => ({ policy, subject: `user:${i}`, cost: 1 })),
  );
  for (let operation = 0; operation < 5000; operation++) {
    const charge = { ...random.pick(charges), cost: random.pick([1, 1, 2, 5]) };
    const kind = random.next();
    if (kind < 0.6) {
      const { allowed, nowMicros } = await storage.consume([charge]);
      if (allowed) taken.push({ charge, takenAt: nowMicros });
    } else if (kind < 0.9 && taken.length > 0) {
      const latest = Math.max(0, taken.length - 30);
      const [one] = taken.splice(random.integer(latest, taken.length - 1), 1);
      await storage.refund([one!.charge], one!.takenAt);
    } else if (kind < 0.95) {
      await storage.owe([{ ...charge, debtUnits: random.integer(1, charge.policy.tokenUnits) }]);
    } else if (kind < 0.98) {
      await storage.grant([charge]);
    } else {
      await storage.reset([charge]);
    }
  }
  const seen = { keys: 0, wrong: 0, immortal: 0 };
  // Of all keys that there are, whether a bucket is known to have them or not.
  for (const key of await keysUnder(client, prefix)) if ((await client.pexpiretime(key)) === -1) seen.immortal++;
  for (const charge of charges) {
    const expiresAtMs = await client.pexpiretime(bucketKey(prefix, charge));
    const fullAt = await fullAtMicros(charge);
    if (expiresAtMs === -2 || fullAt === 0) continue;
    seen.keys++;
    // Refunds may leave a key until nothing of what was given back would have counted; none goes early.
    if (expiresAtMs !== Math.floor(fullAt / 1000) + 1) seen.wrong++;
  }
  console.log(`expiry of windows, seed ${random.seed}:`, seen);
  expect(seen).toMatchObject({ immortal: 0, wrong: 0 });
  expect(seen.keys).toBeGreaterThan(60);
});

test('what is given back in full leaves no key', async () => {
  for (const policy of windows) {
    const charge = { policy, subject: 'refunded', cost: 1 };
    const { nowMicros } = await storage.consume([charge]);
    await storage.refund([charge], nowMicros);
    expect(await keysUnder(client, `${prefix}{refunded}`)).toEqual([]);
  }
});
