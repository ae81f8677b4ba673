import { waitMicros } from '../../src/core/algorithms/token-bucket.js';
import { Policy } from '../../src/core/policy.js';
import type { StorageReply } from '../../src/core/storage.js';
import { bucketKey } from '../../src/storage/redis/key.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { awkwardPolicies } from '../support/redis-policies.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { deleteUnder, eventually, keysUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

const prefix = uniquePrefix();
const client = plainClient();
const storage = new RedisStorage({ client, prefix, deadlineMs: 5000 });

beforeAll(() => storage.open());
afterAll(async () => {
  await storage.close();
  await deleteUnder(client, prefix);
  await client.quit();
});

/** The first whole microsecond at which a bucket is full and its state may be forgotten. */
function fullAtMicros(policy: Policy, { nowMicros, debtUnits }: StorageReply): number {
  return nowMicros + waitMicros(policy, nowMicros, debtUnits[0]!);
}

test('after any history every key expires, none before its bucket is full, none more than 2 ms after', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const policies = awkwardPolicies();
  const subjects = Array.from({ length: 20 }, (_, i) => `user:${i}`);
  const taken: { policy: Policy; subject: string; cost: number; takenAt: number }[] = [];

  for (let operation = 0; operation < 5000; operation++) {
    const subject = random.pick(subjects);
    const chosen = policies.filter(() => random.next() < 0.15);
    const charges = (chosen.length > 0 ? chosen : [random.pick(policies)]).map((policy) => ({
      policy,
      subject,
      cost: random.integer(1, random.next() < 0.5 ? Math.ceil(policy.capacity / 10) : policy.capacity),
    }));
    const kind = random.next();
    if (kind < 0.7) {
      const reply: StorageReply = await storage.consume(charges);
      if (reply.allowed) taken.push(...charges.map((charge) => ({ ...charge, takenAt: reply.nowMicros })));
    } else if (kind < 0.9 && taken.length > 0) {
      const receipt = taken.splice(random.integer(0, taken.length - 1), 1)[0]!;
      await storage.refund([receipt], receipt.takenAt);
    } else if (kind < 0.95) {
      await storage.peek(charges);
    } else {
      await storage.reset(charges);
    }
  }

  const policyByKeyEnd = new Map(policies.map((policy) => [`}${policy.id}`, policy]));
  const seen = { keys: 0, immortal: 0, early: 0, late: 0, worstLateMicros: 0 };
  for (const key of await keysUnder(client, prefix)) {
    const policy = policyByKeyEnd.get(key.slice(key.indexOf('}')))!;
    const replies = await client.multi().get(key).pexpiretime(key).exec();
    const [state, expiresAtMs] = replies!.map(([, value]) => value) as [string | null, number];
    if (state === null) continue; // it has expired since it was listed
    seen.keys++;
    if (expiresAtMs < 0) seen.immortal++;
    const [arrival, remainder = 0] = state.split(':').map(Number) as [number, number?];
    const grid = policy.intervalMicros || 1;
    const fullAt = Math.ceil((arrival + (remainder > 0 ? 1 : 0)) / grid) * grid;
    const lateMicros = expiresAtMs * 1000 - fullAt;
    if (lateMicros < 0) seen.early++;
    if (lateMicros > 2000) seen.late++;
    seen.worstLateMicros = Math.max(seen.worstLateMicros, lateMicros);
  }
  console.log(`expiry, seed ${random.seed}:`, seen);
  expect(seen).toMatchObject({ immortal: 0, early: 0, late: 0 });
  expect(seen.keys).toBeGreaterThan(100);
});

test('the expiry follows the numbers of the reply, at any fraction of a millisecond', async () => {
  for (const policy of awkwardPolicies()) {
    for (let i = 0; i < 20; i++) {
      const charge = { policy, subject: `exact:${i}`, cost: policy.capacity };
      const fullAt = fullAtMicros(policy, await storage.consume([charge]));
      const expiresAtMs = await client.pexpiretime(bucketKey(prefix, charge));
      if (expiresAtMs === -2) expect((await storage.peek([charge])).nowMicros).toBeGreaterThan(fullAt);
      else expect(expiresAtMs).toBe(Math.floor(fullAt / 1000) + 1);
    }
  }
});

test('a key is gone soon after its bucket is full', async () => {
  const policy = new Policy({ name: 'short', capacity: 5, perSeconds: 1 });
  const charge = { policy, subject: 'user:1', cost: 2 };
  const reply = await storage.consume([charge]);
  const fullAt = fullAtMicros(policy, reply);
  expect(fullAt - reply.nowMicros).toBe(400_000);
  await eventually(async () => (await client.exists(bucketKey(prefix, charge))) === 0);
  expect((await storage.peek([charge])).nowMicros).toBeGreaterThanOrEqual(fullAt);
});

test('what is given back in full leaves no key', async () => {
  for (const policy of awkwardPolicies()) {
    const charge = { policy, subject: 'refunded', cost: 1 };
    const { nowMicros } = await storage.consume([charge]);
    await storage.refund([charge], nowMicros);
    // The fastest refill before the refund comes, and then the key goes by itself.
    if (policy.refillMicros / policy.refillTokens > 1_000_000) {
      expect(await client.exists(bucketKey(prefix, charge))).toBe(0);
    }
  }
});
