import type { Redis } from 'ioredis';
import type { Charge } from '../../src/core/charge.js';
import { Policy } from '../../src/core/policy.js';
import { bucketKey } from '../../src/storage/redis/key.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { startRedis } from '../support/redis-server.mjs';
import { plainClient } from '../support/redis-testing.js';

/** The most that Redis may be held by one of our calls. */
const MOST_MICROS = 1000;
/** Calls are measured in so many runs. Redis may lose the processor in many of them, beside other specs; not in all. */
const RUNS = 20;
/** Asked for in one turn, in times of what one call takes. */
const CALLS = 10;
const PREFIX = 'held:';
const DAY = 86_400;
const PAIR_BYTES = 14;

let server: Awaited<ReturnType<typeof startRedis>>;
let admin: Redis;
let storage: RedisStorage;

beforeAll(async () => {
  server = await startRedis();
  admin = plainClient({}, server.url);
  await admin.config('SET', 'slowlog-max-len', 10_000);
  await admin.config('SET', 'slowlog-log-slower-than', 0);
  storage = new RedisStorage({ url: server.url, prefix: PREFIX, deadlineMs: 10_000, denyCache: false });
  await storage.open();
});
afterAll(async () => {
  await storage.close();
  await admin.quit();
  await server.stop();
});

const log = (capacity: number) =>
  new Policy({ name: `log-${capacity}`, capacity, perSeconds: DAY, algorithm: 'sliding-window-log' });

/** A log as log.lua keeps it: pairs that leave room for `free` tokens, and just so many old ones that these go now. */
function fullLog(capacity: number, free: number, nowMicros: number): Buffer {
  const dayMicros = DAY * 1_000_000;
  const counting = capacity - free;
  const old = counting + 2;
  const bytes = Buffer.alloc((1 + old + counting) * PAIR_BYTES);
  const put = (value: number, at: number) => {
    bytes.writeUInt8(Math.floor(value / 2 ** 48), at);
    bytes.writeUIntBE(value % 2 ** 48, at + 1, 6);
  };
  for (let i = 1; i <= old + counting; i++) {
    const agoDays = i <= old ? 2 - i / (old + 1) : 0.9 - (0.9 * (i - old)) / (counting + 1);
    put(nowMicros - Math.floor(agoDays * dayMicros), i * PAIR_BYTES);
    put(i, i * PAIR_BYTES + PAIR_BYTES / 2);
  }
  return bytes;
}

/** Buckets that fill a call, what is asked of each, and what its log holds before each run. */
interface Heavy {
  readonly policy: Policy;
  readonly buckets: number;
  /** In a row. */
  readonly repeats?: number;
  readonly cost?: number;
  /** Tokens that its log has room for. */
  readonly free?: number;
}

const counter = new Policy({ name: 'counter', capacity: 100, perSeconds: DAY, algorithm: 'sliding-window-counter' });
const HEAVIEST: [what: string, heavy: Heavy][] = [
  ['32 token buckets', { policy: new Policy({ name: 'even', capacity: 1000, perSeconds: DAY }), buckets: 32 }],
  [
    '32 token buckets, each asked for by many',
    { policy: new Policy({ name: 'herd', capacity: 50, perSeconds: DAY }), buckets: 32, repeats: 30 },
  ],
  [
    '32 token buckets of awkward rates',
    {
      policy: new Policy({ name: 'odd', capacity: 50, refillTokens: 999_983, refillSeconds: 1_000_003 }),
      buckets: 32,
    },
  ],
  ['16 counters', { policy: counter, buckets: 16, repeats: 3 }],
  ['10 short logs', { policy: log(99), buckets: 10, repeats: 3, free: 1 }],
  ['4 logs that are read as a whole', { policy: log(584), buckets: 4, repeats: 3, free: 1 }],
  ['2 of the longest logs', { policy: log(10_000), buckets: 2, repeats: 3, free: 2 }],
  ['2 of the longest logs that deny a large cost', { policy: log(10_000), buckets: 2, cost: 5000, free: 1 }],
];

/** µs for which each of our calls has held Redis since the log was emptied. */
async function heldMicros(): Promise<number[]> {
  const entries = (await admin.slowlog('GET', '-1')) as [id: number, at: number, micros: number, command: string[]][];
  return entries.filter(([, , , [name]]) => /^evalsha$/i.test(name!)).map(([, , micros]) => micros);
}

test.each(HEAVIEST)('a call about %s holds Redis for less than a millisecond', async (what, heavy) => {
  const { policy, buckets, repeats = 1, cost = 1, free } = heavy;
  const charges: Charge[] = Array.from({ length: CALLS * buckets }, (_, i) => ({ policy, subject: `user:${i}`, cost }));
  const keys = charges.map((charge) => bucketKey(PREFIX, charge));
  const ask = async () => {
    const asked = charges.flatMap((charge) => Array.from({ length: repeats }, () => charge));
    return Promise.all(asked.map(async (charge) => storage.consume([charge])));
  };
  await ask();
  const held: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    if (free !== undefined) {
      const [seconds, micros] = await admin.time();
      const state = fullLog(policy.capacity, free, Number(seconds) * 1_000_000 + Number(micros));
      await admin.set(keys[0]!, state, 'EX', 3 * DAY);
      await Promise.all(keys.slice(1).map((key) => admin.copy(keys[0]!, key, 'REPLACE')));
    }
    await admin.slowlog('RESET');
    const replies = await ask();
    held.push(...(await heldMicros()));
    if (free === undefined) continue;
    // The logs are read as they were meant.
    const admitted = replies.filter(({ allowed }) => allowed).length;
    expect([run, admitted]).toEqual([run, cost > free ? 0 : keys.length * Math.min(free, repeats)]);
  }
  held.sort((one, other) => one - other);
  const [least, quarter, most] = [held[0], held[Math.floor(held.length / 4)]!, held.at(-1)];
  console.log(
    `${what}: ${held.length} calls hold Redis for ${least} to ${most} µs, a quarter of them for ${quarter} or less`,
  );
  // What fills more calls than were expected would hide in their number.
  expect(held.length).toBeLessThanOrEqual(RUNS * CALLS);
  expect(quarter).toBeLessThan(MOST_MICROS);
});
