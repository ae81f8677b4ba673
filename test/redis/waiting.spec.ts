import { Policy } from '../../src/core/policy.js';
import { PolicyLimiter } from '../../src/core/policy-limiter.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import type { StorageReply } from '../../src/core/storage.js';
import { OutageStorage } from '../../src/storage/outage/outage.storage.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { deleteUnder, plainClient, redisUrl, uniquePrefix } from '../support/redis-testing.js';

const INSTANCES = 3;
const CALLS_EACH = 60;
const SUBJECT = 'everyone';

const client = plainClient();
const prefix = uniquePrefix();
/** Patient: what a busy machine does to the answers of Redis is not what is tested here. */
const storages = Array.from(
  { length: INSTANCES },
  () => new RedisStorage({ url: redisUrl(), prefix, deadlineMs: 10_000 }),
);
const limitersOf = (policy: Policy) =>
  storages.map((storage) => new PolicyLimiter(new RateLimiter(new OutageStorage(storage, OUTAGES)), policy));
const OUTAGES = { onStorageFailure: 'deny', instances: 1 } as const;

beforeAll(() => Promise.all(storages.map((storage) => storage.open())));
afterAll(async () => {
  for (const storage of storages) await storage.close();
  await deleteUnder(client, prefix);
  await client.quit();
});
afterEach(() => jest.restoreAllMocks());

async function serverMicros(): Promise<number> {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1_000_000 + Number(micros);
}

/** When the tokens of a reservation arrive, by the server's clock. */
function arrivesAtMicros(policy: Policy, { nowMicros, debtUnits }: StorageReply): number {
  return nowMicros + Math.max(0, Math.ceil((debtUnits[0]! - policy.capacityUnits) / policy.refillTokens));
}

/** The most that arrived in any interval beyond what refilled in it, in units. */
function worstDebtUnits(policy: Policy, arrivedAt: readonly number[]): number {
  let [worst, debt, previous] = [0, 0, 0];
  for (const at of arrivedAt) {
    debt = Math.max(0, debt - (at - previous) * policy.refillTokens) + policy.tokenUnits;
    previous = at;
    worst = Math.max(worst, debt);
  }
  return worst;
}

test(`${INSTANCES} instances are one line: within the bound, never early by the server's clock, asked once each`, async () => {
  const policy = new Policy({ name: 'shared', capacity: 5, refillTokens: 100, refillSeconds: 1 });
  const asked = storages.map((storage) => jest.spyOn(storage, 'consume'));
  const arrivedAt: number[] = [];
  const order: number[][] = storages.map(() => []);
  await Promise.all(
    limitersOf(policy).flatMap((limiter, instance) =>
      Array.from({ length: CALLS_EACH }, async (_, call) => {
        await limiter.wait(SUBJECT);
        order[instance]!.push(call);
        const reply = (await asked[instance]!.mock.results[call]!.value) as StorageReply;
        const at = arrivesAtMicros(policy, reply);
        expect(await serverMicros()).toBeGreaterThanOrEqual(at);
        arrivedAt.push(at);
      }),
    ),
  );
  arrivedAt.sort((a, b) => a - b);
  expect(arrivedAt).toHaveLength(INSTANCES * CALLS_EACH);
  expect(worstDebtUnits(policy, arrivedAt)).toBeLessThanOrEqual(policy.capacityUnits);
  for (const calls of order) expect(calls).toEqual([...calls].toSorted((a, b) => a - b));
  for (const consume of asked) expect(consume).toHaveBeenCalledTimes(CALLS_EACH);
}, 60_000);

test('whoever leaves goes back to Redis if nobody of any instance waits behind, and only then', async () => {
  const policy = new Policy({ name: 'left', capacity: 1, perSeconds: 3600 });
  const [here, there] = limitersOf(policy) as [PolicyLimiter, PolicyLimiter];
  const owedTokens = async () =>
    Math.round(((await here.peek(SUBJECT)).resetAfterMs * policy.refillTokens) / 3_600_000);
  const leave = [new AbortController(), new AbortController()] as const;
  const gone = (reason: unknown) => reason;

  await here.wait(SUBJECT);
  const first = here.wait(SUBJECT, { signal: leave[0].signal }).catch(gone);
  const cancel = jest.spyOn(storages[0]!, 'cancel');
  expect(await owedTokens()).toBe(2);
  const second = there.wait(SUBJECT, { signal: leave[1].signal }).catch(gone);
  while ((await owedTokens()) < 3);

  leave[0].abort('first');
  expect(await first).toBe('first');
  expect(await cancel.mock.results[0]!.value).toBe(false);
  expect(await owedTokens()).toBe(3);
  leave[1].abort('second');
  expect(await second).toBe('second');
  while ((await owedTokens()) > 2);
  here.close();
  there.close();
}, 60_000);

test('a storage that is away and denies ends the wait, one that is counted here goes on with a share', async () => {
  const policy = new Policy({ name: 'away', capacity: 4, refillTokens: 1000, refillSeconds: 1 });
  const closed = new RedisStorage({ url: redisUrl(), prefix });
  await closed.open();
  await closed.close();
  const storageThat = (onStorageFailure: 'deny' | 'local' | 'allow') =>
    new OutageStorage(closed, { onStorageFailure, instances: 2 });
  const limiter = (...args: Parameters<typeof storageThat>) =>
    new PolicyLimiter(new RateLimiter(storageThat(...args)), policy);
  await expect(limiter('deny').wait(SUBJECT)).rejects.toThrow('closed');
  const waits = Array.from({ length: 8 }, () => limiter('allow').wait(SUBJECT));
  expect((await Promise.all(waits)).every(({ isWithoutStorage }) => isWithoutStorage)).toBe(true);
  const storage = storageThat('local');
  const asked = jest.spyOn(storage, 'consume');
  const local = new PolicyLimiter(new RateLimiter(storage), policy);
  const decisions = await Promise.all(Array.from({ length: 8 }, () => local.wait(SUBJECT)));
  const { policy: share } = decisions[0]!.policies[0]!;
  expect([share.capacity, share.refillTokens / share.refillMicros]).toEqual([2, 500 / 1e6]);
  const arrivals = asked.mock.results.map(({ value }) => arrivesAtMicros(share, value as StorageReply));
  expect(worstDebtUnits(share, arrivals)).toBeLessThanOrEqual(share.capacityUnits);
  expect(decisions.every(({ isWithoutStorage }) => isWithoutStorage)).toBe(true);
}, 60_000);

test('a reset asks Redis again for everybody who waits here, and those who wait elsewhere keep their time', async () => {
  const policy = new Policy({ name: 'full-again', capacity: 3, perSeconds: 3 * 3600 });
  const [here, there] = limitersOf(policy) as [PolicyLimiter, PolicyLimiter];
  const gone: string[] = [];
  const ask = (limiter: PolicyLimiter, name: string) =>
    limiter.wait(SUBJECT).then(
      () => gone.push(name),
      () => undefined,
    );
  const owedTokens = async () => Math.round((await here.peek(SUBJECT)).resetAfterMs / 3_600_000);

  await Promise.all(['a', 'b', 'c'].map((name) => ask(here, name)));
  const waiting = ['d', 'e', 'f', 'g'].map((name) => ask(here, name));
  while ((await owedTokens()) < 7);
  waiting.push(ask(there, 'elsewhere'));
  while ((await owedTokens()) < 8);

  await here.reset(SUBJECT);
  await Promise.all(waiting.slice(0, 3));
  expect(gone).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  expect(await owedTokens()).toBe(4);
  expect((await there.consume(SUBJECT)).allowed).toBe(false);
  here.close();
  there.close();
  await Promise.all(waiting);
  expect(gone).toHaveLength(6);
}, 60_000);
