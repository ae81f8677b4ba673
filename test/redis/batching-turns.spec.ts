import { Socket } from 'node:net';
import { Policy } from '../../src/core/policy.js';
import type { RedisClient } from '../../src/storage/redis/client.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { FAR_AHEAD_MICROS, withScriptClock } from '../support/redis-script-clock.js';
import { deleteUnder, eventually, plainClient, redisUrl, uniquePrefix } from '../support/redis-testing.js';

/** Calls under way from which on decisions wait for one to return. */
const MOST_UNDER_WAY = 16;
/** Buckets that fill a call. */
const FULL = 32;
const policy = new Policy({ capacity: 1000, perSeconds: 3600 });
const client = plainClient();
const prefix = uniquePrefix();

afterAll(async () => {
  await deleteUnder(client, prefix);
  await client.quit();
});

const turn = () => new Promise(setImmediate);

describe('while calls are under way', () => {
  /** How many buckets each call asked about, and what lets the first that is held reach the server. */
  let calls: number[];
  let held: (() => void)[];
  let storage: RedisStorage;
  let answers: Promise<unknown>[];
  let subjects: number;
  let answered: number;

  beforeEach(async () => {
    [calls, held, answers, subjects, answered] = [[], [], [], 0, 0];
    const atClock = withScriptClock(client, new ManualClock(FAR_AHEAD_MICROS));
    let isHolding = false;
    const holding: RedisClient = {
      ...atClock,
      evalsha: async (sha1, keyCount, ...rest) => {
        calls.push(keyCount);
        if (isHolding) await new Promise<void>((resolve) => held.push(resolve));
        return atClock.evalsha(sha1, keyCount, ...rest);
      },
    };
    const options = { client: holding, reuseConnection: true, prefix, deadlineMs: 10_000, denyCache: false };
    storage = new RedisStorage(options);
    await ask();
    isHolding = true;
    calls.length = 0;
  });
  afterEach(async () => {
    // What goes out now, too.
    while ((await Promise.race([Promise.all(answers), turn()])) === undefined)
      for (const pass of held.splice(0)) pass();
    await storage.close();
  });

  /** A decision about a bucket that no other is about. */
  function ask(): Promise<unknown> {
    const answer = Promise.resolve(storage.consume([{ policy, subject: `user:${subjects++}`, cost: 1 }]));
    answers.push(answer.then(() => answered++));
    return answer;
  }

  async function askInTurns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      void ask();
      await turn();
      await turn();
    }
  }

  /** The first that is held; then there has been time for what follows from it. */
  async function returnOne(): Promise<void> {
    const before = answered;
    held.shift()!();
    await eventually(() => answered > before);
    await turn();
    await turn();
  }

  test('what is asked in one turn goes together, and does not wait for them', async () => {
    await askInTurns(1);
    for (const count of [3, 5]) {
      for (let i = 0; i < count; i++) {
        void ask();
        // As requests do that arrive together: each is heard by itself.
        await new Promise((resolve) => process.nextTick(resolve));
      }
      await turn();
      await turn();
    }
    expect(calls).toEqual([1, 3, 5]);
  });

  test('several of them, more wait together until one returns', async () => {
    await askInTurns(MOST_UNDER_WAY);
    expect(calls).toEqual(Array.from({ length: MOST_UNDER_WAY }, () => 1));
    await askInTurns(10);
    expect(calls).toHaveLength(MOST_UNDER_WAY);
    await returnOne();
    expect(calls.slice(MOST_UNDER_WAY)).toEqual([10]);
    await askInTurns(7);
    expect(calls).toHaveLength(MOST_UNDER_WAY + 1);
    await returnOne();
    expect(calls.slice(MOST_UNDER_WAY)).toEqual([10, 7]);
  });

  test('those that fill a call wait for none to return', async () => {
    await askInTurns(MOST_UNDER_WAY);
    await askInTurns(2 * FULL + 5);
    expect(calls.slice(MOST_UNDER_WAY)).toEqual([FULL, FULL]);
    await returnOne();
    await returnOne();
    // As many under way as may be: the rest waits for one more.
    expect(calls).toHaveLength(MOST_UNDER_WAY + 2);
    await returnOne();
    expect(calls.slice(MOST_UNDER_WAY)).toEqual([FULL, FULL, 5]);
  });
});

describe('while nothing is under way', () => {
  const events: string[] = [];

  /** Tells of what sockets are given to send. */
  function watchWire(): void {
    for (const method of ['_write', '_writev'] as const) {
      const write = Socket.prototype[method] as (this: Socket, data: unknown, ...rest: unknown[]) => void;
      const watched = function (this: Socket, data: unknown, ...rest: unknown[]): void {
        const chunks = [data]
          .flat()
          .map((piece) => (method === '_writev' ? (piece as { chunk: unknown }).chunk : piece));
        if (chunks.map(String).join('').includes('idle:')) events.push('sent');
        write.call(this, data, ...rest);
      };
      jest.spyOn(Socket.prototype, method).mockImplementation(watched);
    }
  }

  test.each([1, 100])('%d asked at once are on the wire before any timer or other event', async (count) => {
    const storage = new RedisStorage({ url: redisUrl(), prefix, deadlineMs: 10_000, denyCache: false });
    const ask = async (subject: string) => storage.consume([{ policy, subject, cost: 1 }]);
    await storage.open();
    await ask('somebody');
    // What a client asks by itself when it has connected is answered.
    await storage.peek([{ policy, subject: 'nobody', cost: 1 }]);
    watchWire();
    try {
      for (let round = 0; round < 5; round++) {
        events.length = 0;
        const others = [turn(), new Promise((resolve) => setTimeout(resolve, 0))];
        for (const other of others) void other.then(() => events.push('other'));
        // Equal, so that they are one call.
        await Promise.all(Array.from({ length: count }, () => ask(`idle:${round}`)));
        await Promise.all(others);
        expect(events).toEqual(['sent', 'other', 'other']);
      }
    } finally {
      jest.restoreAllMocks();
      await storage.close();
    }
  });
});
