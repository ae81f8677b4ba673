import { Policy } from '../../src/core/policy.js';
import { EVERY_SUBJECT } from '../../src/core/overrides/override.js';
import { RateLimitOverrides } from '../../src/core/overrides/rate-limit-overrides.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import type { RateLimitStorage } from '../../src/core/storage.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { OutageStorage } from '../../src/storage/outage/outage.storage.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { hostileSubjects } from '../../src/testing/storage-contract/hostile-subjects.js';
import { withScriptClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

/** 2100-01-01, which no server's clock has reached: Redis must not expire what is still to be read. */
const FAR_AHEAD_MICROS = 4_102_444_800_000_000;
const jobs = new Policy({ name: 'jobs', capacity: 3, perSeconds: 3 });
const ADA = 'user:ada';
const BOB = 'user:bob';

interface Shared {
  /** Two instances of an application, as far as the storage can tell. */
  readonly storages: readonly [RateLimitStorage, RateLimitStorage];
  readonly clock: ManualClock;
  readonly dispose: () => Promise<void>;
}

const client = plainClient();
afterAll(() => client.quit());

function onRedis(): Shared {
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const prefix = uniquePrefix();
  const storageOf = () =>
    new RedisStorage({ client: withScriptClock(client, clock), reuseConnection: true, prefix, deadlineMs: 10_000 });
  return { storages: [storageOf(), storageOf()], clock, dispose: () => deleteUnder(client, prefix) };
}

function inMemory(): Shared {
  const clock = new ManualClock();
  const storage = new MemoryStorage({ clock });
  return { storages: [storage, storage], clock, dispose: async () => {} };
}

function inOutages(): Shared {
  const { storages, ...rest } = onRedis();
  const [one, other] = storages.map(
    (storage) => new OutageStorage(storage, { onStorageFailure: 'local', instances: 2 }),
  ) as [OutageStorage, OutageStorage];
  return { ...rest, storages: [one, other] };
}

describe.each([
  ['MemoryStorage', inMemory],
  ['RedisStorage', onRedis],
  ['RedisStorage in an OutageStorage', inOutages],
])('%s, seen by two instances', (_, make) => {
  let shared: Shared;
  let here: RateLimitOverrides;
  let there: RateLimitOverrides;
  let limiters: readonly RateLimiter[];

  beforeEach(async () => {
    shared = make();
    for (const storage of shared.storages) await storage.open();
    limiters = shared.storages.map((storage) => new RateLimiter(storage, [jobs], { overrides: true }));
    [here, there] = limiters.map((limiter) => new RateLimitOverrides(limiter)) as [
      RateLimitOverrides,
      RateLimitOverrides,
    ];
  });
  afterEach(async () => {
    await shared.dispose();
    for (const storage of shared.storages) await storage.close();
  });

  /** What each instance says of how many a subject has left; −1: it is blocked. */
  const left = async (subject: string): Promise<readonly number[]> => {
    const decisions = await Promise.all(limiters.map(async (limiter) => limiter.peek({ policy: 'jobs', subject })));
    return decisions.map(({ isBlocked, remaining }) => (isBlocked ? -1 : remaining));
  };

  it('an override counts here at once, and there from the next look', async () => {
    await here.set('jobs', ADA, { capacity: 5, perSeconds: 5 });
    expect(await left(ADA)).toEqual([5, 3]);
    await there.refresh();
    expect(await left(ADA)).toEqual([5, 5]);
    await there.set('jobs', ADA, { capacity: 9, perSeconds: 9 });
    await here.refresh();
    expect(await left(ADA)).toEqual([9, 9]);
    await here.remove('jobs', ADA);
    await there.refresh();
    expect(await left(ADA)).toEqual([3, 3]);
  });

  it('so does one of every subject, and a block', async () => {
    await here.set('jobs', EVERY_SUBJECT, { capacity: 7, perSeconds: 7 });
    await here.block(BOB, { reason: 'scraping' });
    expect(await there.blocked()).toEqual([{ subject: BOB, reason: 'scraping' }]);
    expect([await left(ADA), await left(BOB)]).toEqual([
      [7, 7],
      [-1, -1],
    ]);
    expect([await there.unblock(BOB), await here.unblock(BOB)]).toEqual([true, false]);
    await here.refresh();
    expect(await left(BOB)).toEqual([7, 7]);
  });

  it('is over everywhere when its time is over, by the clock of the storage', async () => {
    await here.set('jobs', ADA, { capacity: 5, perSeconds: 5, expiresInSeconds: 10 });
    await here.block(BOB, { expiresInSeconds: 20 });
    const refresh = () => Promise.all([here.refresh(), there.refresh()]);
    shared.clock.advanceMs(9000);
    await refresh();
    expect(await left(ADA)).toEqual([5, 5]);
    const [{ expiresInMs } = {}] = await there.list();
    expect(Math.abs(expiresInMs! - 1000)).toBeLessThan(500);
    const { retryAfterMs } = await here.peek('jobs', BOB);
    expect(Math.abs(retryAfterMs - 11_000)).toBeLessThan(500);
    shared.clock.advanceMs(2000);
    await refresh();
    expect([await left(ADA), await left(BOB)]).toEqual([
      [3, 3],
      [-1, -1],
    ]);
    expect(await here.list()).toEqual([]);
    expect(await here.remove('jobs', ADA)).toBe(false);
    shared.clock.advanceMs(9001);
    await refresh();
    expect(await left(BOB)).toEqual([3, 3]);
    expect(await here.unblock(BOB)).toBe(false);
  });

  it('is kept no longer than two minutes after it is over or removed', async () => {
    const entries = () =>
      shared.storages[0].overrideStore!.read(0).then(({ entries }) => entries.map(({ key }) => key));
    await here.block('user:1', { expiresInSeconds: 1 });
    await here.block('user:2');
    await here.block('user:3');
    await here.unblock('user:2');
    expect(await entries()).toEqual(['block/user:1', 'block/user:3', 'block/user:2']);
    shared.clock.advanceMs(121_001);
    await entries();
    expect(await entries()).toEqual(['block/user:3']);
    await there.refresh();
    expect(await there.blocked()).toEqual([{ subject: 'user:3' }]);
  });

  it('what the bucket owes carries over, here and there', async () => {
    for (let i = 0; i < 3; i++) await limiters[0]!.consume({ policy: 'jobs', subject: ADA });
    await here.set('jobs', ADA, { capacity: 30, perSeconds: 30 });
    await there.refresh();
    // 3 s until it is full, as before: three tokens of thirty.
    expect(await left(ADA)).toEqual([27, 27]);
    await here.set('jobs', ADA, { capacity: 30, perSeconds: 3 });
    await there.refresh();
    expect(await left(ADA)).toEqual([0, 0]);
    shared.clock.advanceMs(100);
    expect((await limiters[1]!.consume({ policy: 'jobs', subject: ADA })).allowed).toBe(true);
  });

  it('a raised limit is not refused by what was remembered of the old one', async () => {
    const asked = { policy: 'jobs', subject: ADA };
    for (let i = 0; i < 5; i++) await limiters[0]!.consume(asked);
    expect((await limiters[0]!.consume(asked)).allowed).toBe(false);
    await here.set('jobs', ADA, { capacity: 4, perSeconds: 4 });
    expect((await limiters[0]!.consume(asked)).allowed).toBe(true);
    expect((await limiters[0]!.consume(asked)).allowed).toBe(false);
    await here.grant('jobs', ADA, 2);
    expect(await left(ADA)).toEqual([2, 1]);
  });

  it('grants exactly so many tokens, and never above full', async () => {
    const awkward = new Policy({ name: 'awkward', capacity: 7, refillTokens: 3, refillSeconds: 11 });
    const stepped = new Policy({ name: 'stepped', capacity: 6, perSeconds: 60, refillEverySeconds: 10 });
    for (const policy of [awkward, stepped]) {
      const asked = { policy, subject: ADA };
      await limiters[0]!.consume({ ...asked, cost: policy.capacity });
      const { resetAfterMs } = await limiters[0]!.peek(asked);
      await here.grant(policy, ADA, 4);
      expect(await limiters[0]!.peek(asked)).toMatchObject({ remaining: 4 });
      await limiters[0]!.consume({ ...asked, cost: 4 });
      expect(await limiters[0]!.peek(asked)).toMatchObject({ remaining: 0, resetAfterMs });
      await here.grant(policy, ADA, policy.capacity);
      expect(await limiters[0]!.peek(asked)).toMatchObject({ remaining: policy.capacity, resetAfterMs: 0 });
    }
  });

  it('tells of many in pages, and nobody is forgotten', async () => {
    const subjects = Array.from({ length: 1000 }, (_, i) => `user:${i}`);
    for (let i = 0; i < subjects.length; i += 100) {
      await Promise.all(
        subjects
          .slice(i, i + 100)
          .map((subject) =>
            shared.storages[0].overrideStore!.write(`block/${subject}`, JSON.stringify({ kind: 'block', subject }), 0),
          ),
      );
    }
    const found = await there.blocked();
    expect(new Set(found.map(({ subject }) => subject))).toEqual(new Set(subjects));
    expect(found).toHaveLength(1000);
    await here.unblock('user:500');
    expect(await there.blocked()).toHaveLength(999);
  });

  it('any subject is itself and nobody else', async () => {
    const subjects = hostileSubjects().filter(({ length }) => length <= 1024);
    expect(subjects.length).toBeGreaterThan(100);
    for (const subject of subjects) {
      await here.block(subject);
      await here.set('jobs', subject, { capacity: 9, perSeconds: 9 });
      expect(await there.blocked()).toEqual([{ subject }]);
      expect(await there.list()).toMatchObject([{ policy: 'jobs', subject }]);
      expect(await left(subject)).toEqual([-1, -1]);
      await there.unblock(subject);
      expect(await there.remove('jobs', subject)).toBe(true);
      await here.refresh();
      expect(await left(subject)).toEqual([3, 3]);
    }
  });
});
