import { EVERY_SUBJECT } from '../../src/core/overrides/override.js';
import { RateLimitOverrides } from '../../src/core/overrides/rate-limit-overrides.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import type { RateLimitStorage } from '../../src/core/storage.js';
import { OutageStorage } from '../../src/storage/outage/outage.storage.js';
import type { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { FAR_AHEAD_MICROS, storageAtClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

const jobs = new Policy({ name: 'jobs', capacity: 3, perSeconds: 3 });
const ADA = 'user:ada';
const BOB = 'user:bob';

const client = plainClient();
afterAll(() => client.quit());

/** What the suite of a storage cannot ask, which is given one storage: two processes have a storage object each. */
describe.each<[string, (storage: RedisStorage) => RateLimitStorage]>([
  ['RedisStorage', (storage) => storage],
  [
    'RedisStorage in an OutageStorage',
    (storage) => new OutageStorage(storage, { onStorageFailure: 'local', instances: 2 }),
  ],
])('%s, of two instances', (_, wrap) => {
  let clock: ManualClock;
  let prefix: string;
  let storages: readonly RateLimitStorage[];
  let limiters: readonly RateLimiter[];
  let here: RateLimitOverrides;
  let there: RateLimitOverrides;

  beforeEach(async () => {
    clock = new ManualClock(FAR_AHEAD_MICROS);
    prefix = uniquePrefix();
    // With the deny cache, as it is by default.
    storages = [0, 1].map(() => wrap(storageAtClock(client, clock, { prefix })));
    for (const storage of storages) await storage.open();
    limiters = storages.map((storage) => new RateLimiter(storage, [jobs], { overrides: true }));
    [here, there] = limiters.map((limiter) => new RateLimitOverrides(limiter)) as [
      RateLimitOverrides,
      RateLimitOverrides,
    ];
  });
  afterEach(async () => {
    await deleteUnder(client, prefix);
    for (const storage of storages) await storage.close();
  });

  /** What each instance says of how many a subject has left; −1: it is blocked. */
  const left = async (subject: string): Promise<readonly number[]> => {
    const decisions = await Promise.all(limiters.map(async (limiter) => limiter.peek({ policy: 'jobs', subject })));
    return decisions.map(({ isBlocked, remaining }) => (isBlocked ? -1 : remaining));
  };

  it('what is decided in one is followed by the other, and over in both', async () => {
    await here.set('jobs', EVERY_SUBJECT, { capacity: 7, perSeconds: 7, expiresInSeconds: 3600 });
    await here.block(BOB);
    expect([await left(ADA), await left(BOB)]).toEqual([
      [7, 3],
      [-1, 3],
    ]);
    await there.refresh();
    expect([await left(ADA), await left(BOB)]).toEqual([
      [7, 7],
      [-1, -1],
    ]);
    expect(await there.unblock(BOB)).toBe(true);
    await here.refresh();
    clock.advanceMs(3_600_000);
    await Promise.all([here.refresh(), there.refresh()]);
    expect([await left(ADA), await left(BOB)]).toEqual([
      [3, 3],
      [3, 3],
    ]);
  });

  it('a raised limit and granted tokens are not refused by what was remembered of the empty bucket', async () => {
    const consume = async () => (await limiters[0]!.consume({ policy: 'jobs', subject: ADA })).allowed;
    for (let i = 0; i < 5; i++) await consume();
    expect(await consume()).toBe(false);
    await here.set('jobs', ADA, { capacity: 4, perSeconds: 4 });
    expect([await consume(), await consume()]).toEqual([true, false]);
    await here.grant('jobs', ADA, 2);
    expect(await left(ADA)).toEqual([2, 1]);
  });
});
