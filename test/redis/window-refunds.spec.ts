import type { Charge } from '../../src/core/charge.js';
import { Policy } from '../../src/core/policy.js';
import { bucketKey } from '../../src/storage/redis/key.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { FAR_AHEAD_MICROS, storageAtClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

const BYTES_OF_A_CHARGE = 14;
/** The pair that never counts, and as many as one refund looks at. */
const BESIDE = 33;

const prefix = uniquePrefix();
const client = plainClient();
const clock = new ManualClock(FAR_AHEAD_MICROS);
const storage = storageAtClock(client, clock, { prefix, denyCache: false });
const policy = new Policy({ capacity: 2000, perSeconds: 3600, algorithm: 'sliding-window-log' });
const charge: Charge = { policy, subject: 'user:1', cost: 1 };
const key = bucketKey(prefix, charge);

afterEach(() => client.del(key));
afterAll(async () => {
  await deleteUnder(client, prefix);
  await client.quit();
});

async function take(): Promise<number> {
  clock.advanceMicros(1000);
  const { allowed, nowMicros } = await storage.consume([charge]);
  expect(allowed).toBe(true);
  return nowMicros;
}

/** How many charges the log has room for, and how many of those count. */
async function kept(): Promise<{ pairs: number; counted: number }> {
  const { debtUnits } = await storage.peek([charge]);
  return { pairs: (await client.strlen(key)) / BYTES_OF_A_CHARGE, counted: debtUnits[0]! };
}

type Next = (taken: readonly number[], random: SeededRandom) => number;

test.each<[order: string, next: Next]>([
  ['the latest first', (taken) => taken.length - 1],
  ['the earliest first', () => 0],
  ['every other one', (taken) => Math.floor(taken.length / 2)],
  ['at random', (taken, random) => random.integer(0, taken.length - 1)],
])('a log that is given back, %s, gets shorter with the refunds, and not when it is asked', async (_, next) => {
  const random = new SeededRandom(seedOfThisRun());
  const taken: number[] = [];
  while (taken.length < 1500) taken.push(await take());
  while (taken.length > 1) {
    const [at] = taken.splice(next(taken, random), 1);
    await storage.refund([charge], at!);
    if (taken.length % 10 > 0) continue;
    const { pairs, counted } = await kept();
    expect(counted).toBe(taken.length);
    // Half of any 32 at most, and those are not always the same 32.
    expect(pairs).toBeLessThanOrEqual(3 * counted + BESIDE);
  }
  const before = await client.strlen(key);
  await take();
  expect(await client.strlen(key)).toBe(before + BYTES_OF_A_CHARGE);
});

test('one of which nearly all is given back at once stays as short', async () => {
  let left = 0;
  for (let i = 0; i < 1500; i++) {
    const at = await take();
    if (i % 17 < 2) left++;
    else await storage.refund([charge], at);
  }
  const { pairs, counted } = await kept();
  expect(counted).toBe(left);
  expect(pairs).toBeLessThanOrEqual(3 * counted + BESIDE);
});
