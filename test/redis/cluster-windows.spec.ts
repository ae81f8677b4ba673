import { ALGORITHMS } from '../../src/core/algorithm.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { subjectOf } from '../support/redis-cluster-subjects.js';
import { eventually } from '../support/redis-testing.js';

const DAY = 86_400;
let cluster: TestCluster;
let storage: RedisStorage;
let limiter: RateLimiter;

beforeAll(async () => {
  cluster = await startCluster();
  storage = new RedisStorage({ cluster: { nodes: cluster.nodes }, prefix: 't:', deadlineMs: 2000, denyCache: false });
  await storage.open();
  limiter = new RateLimiter(storage);
});
afterAll(async () => {
  await storage.close();
  await cluster.stop();
});

/** One charge by each algorithm, on three nodes in turn. */
const charges = ALGORITHMS.map((algorithm, i) => ({
  policy: new Policy({ name: `by-${algorithm}`, capacity: 4 + i, perSeconds: DAY, algorithm }),
  subject: subjectOf(i % 3, 'user'),
  cost: 1,
}));

test('charges of all algorithms on several nodes are taken together, or given back as if they had never been', async () => {
  const first = await limiter.consume(charges);
  expect(first.policies.map(({ remaining }) => remaining)).toEqual([3, 4, 0, 6, 7]);
  // The leaky bucket denies from now on; what the others take before is given back.
  const second = await limiter.consume(charges);
  expect(second.allowed).toBe(false);
  expect(second.policies.map(({ allowed }) => allowed)).toEqual([true, true, false, true, true]);
  expect(second.policies.map(({ remaining }) => remaining)).toEqual([3, 4, 0, 6, 7]);
  await eventually(async () => {
    const { policies } = await limiter.peek(charges);
    return policies.map(({ remaining }) => remaining).join() === '3,4,0,6,7';
  });

  const windows = charges.slice(3);
  const told = await limiter.peek(windows.map((charge) => ({ ...charge, cost: charge.policy.capacity })));
  for (const { retryAfterMs, resetAfterMs, nextTokenAfterMs } of told.policies) {
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(resetAfterMs).toBeGreaterThan(0);
    expect(nextTokenAfterMs).toBeLessThanOrEqual(resetAfterMs);
  }
  for (const receipt of first.receipts) await limiter.refund(receipt);
  expect((await limiter.peek(windows)).policies.map(({ remaining }) => remaining)).toEqual([7, 8]);
});
