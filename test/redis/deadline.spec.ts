import { AsyncLocalStorage } from 'node:async_hooks';
import { spawnSync } from 'node:child_process';
import { StorageFailureError, StorageTimeoutError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import type { MaybePromise } from '../../src/core/storage.js';
import { Deadline } from '../../src/storage/redis/deadline.js';
import { LoneQuestion, type Sent } from '../../src/storage/redis/question.js';
import type { RedisAvailability } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { freePort, startRedis } from '../support/redis-server.mjs';
import { eventually, redisUrl, uniquePrefix } from '../support/redis-testing.js';

const policy = new Policy({ capacity: 100, perSeconds: 3600 });
const charges = [{ policy, subject: 'user:1', cost: 1 }];
const prefix = uniquePrefix();
const logger = { warn: () => {} };
const unhandled: unknown[] = [];
const noteUnhandled = (reason: unknown) => void unhandled.push(reason);

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

beforeAll(() => process.on('unhandledRejection', noteUnhandled));
afterAll(() => void process.off('unhandledRejection', noteUnhandled));
afterEach(() => expect(unhandled).toEqual([]));

/** Asks a question that `answer` answers, and watches it. */
function ask<T>(deadline: Deadline, answer: (question: Sent) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const question = new LoneQuestion((raw) => raw as T, resolve, reject);
    deadline.watch(question);
    answer(question);
  });
}

describe('a watched question', () => {
  test('is answered, or fails, as it happens', async () => {
    const deadline = new Deadline(1000);
    await expect(ask(deadline, (question) => question.answer(7))).resolves.toBe(7);
    await expect(ask(deadline, (question) => question.fail(new Error('no')))).rejects.toThrow(
      /^Redis could not answer: no$/,
    );
  });

  test('fails when it is late, each in its turn, however often', async () => {
    const deadline = new Deadline(20);
    for (let round = 0; round < 3; round++) {
      const order: number[] = [];
      const questions = Array.from({ length: 50 }, (_, i) =>
        ask(deadline, (question) => i % 2 === 1 && setImmediate(question.answer, i)).catch((error: unknown) => {
          order.push(i);
          throw error;
        }),
      );
      const settled = await Promise.allSettled(questions);
      expect(order).toEqual(Array.from({ length: 25 }, (_, i) => 2 * i));
      for (const [i, result] of settled.entries()) {
        if (i % 2 === 1) expect(result).toEqual({ status: 'fulfilled', value: i });
        else expect((result as PromiseRejectedResult).reason).toBeInstanceOf(StorageTimeoutError);
      }
    }
  });

  test('is no longer awaited then, and what comes too late is ignored', async () => {
    const deadline = new Deadline(5);
    const asked: Sent[] = [];
    const failed = failureOf(ask(deadline, (question) => asked.push(question)));
    expect(asked[0]!.isAwaited).toBe(true);
    expect(await failed).toEqual(new StorageTimeoutError('Redis did not answer within 5 ms.'));
    expect(asked[0]!.isAwaited).toBe(false);
    asked[0]!.fail(new Error('late'));
    asked[0]!.answer(1);
    await new Promise(setImmediate);
  });

  test('shares one timer with all others, which keeps neither the process nor a request alive', async () => {
    const requests = new AsyncLocalStorage<string>();
    const timers: NodeJS.Timeout[] = [];
    const contexts: (string | undefined)[] = [];
    const real = setTimeout;
    const spy = jest
      .spyOn(jest.requireActual<typeof import('node:timers')>('node:timers'), 'setTimeout')
      .mockImplementation(((run: () => void, delayMs: number) => {
        contexts.push(requests.getStore());
        return timers[timers.push(real(run, delayMs)) - 1]!;
      }) as typeof setTimeout);
    const deadline = new Deadline(1000);
    await requests.run('a request', () =>
      Promise.all(Array.from({ length: 100 }, () => ask(deadline, (question) => setImmediate(question.answer, 1)))),
    );
    spy.mockRestore();
    expect(contexts).toEqual([undefined]);
    expect(timers.map((timer) => timer.hasRef())).toEqual([false]);
  });
});

test('a question that falls due while others fail asks for no time that has passed', async () => {
  const asked: { run: () => void; delayMs: number }[] = [];
  const timers = jest.requireActual<typeof import('node:timers')>('node:timers');
  const spy = jest.spyOn(timers, 'setTimeout').mockImplementation(((run: () => void, delayMs: number) => {
    asked.push({ run, delayMs });
    return { unref: () => {} };
  }) as unknown as typeof setTimeout);
  let nowMs = 1000;
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  try {
    const deadline = new Deadline(20);
    const first = failureOf(ask(deadline, () => {}));
    nowMs += 10;
    const second = failureOf(ask(deadline, () => {}));
    nowMs += 15;
    asked[0]!.run();
    // Between the timer and what it leaves to the end of the turn.
    nowMs += 35;
    expect(await first).toBeInstanceOf(StorageTimeoutError);
    expect(asked.map(({ delayMs }) => delayMs)).toEqual([20, 1]);
    asked[1]!.run();
    expect(await second).toBeInstanceOf(StorageTimeoutError);
  } finally {
    clock.mockRestore();
    spy.mockRestore();
  }
});

describe('a question to a server that is frozen', () => {
  let server: Awaited<ReturnType<typeof startRedis>>;
  let storage: RedisStorage;
  // Each has a storage of its own, whose breaker knows of no other.
  beforeEach(async () => {
    server = await startRedis();
    storage = new RedisStorage({ url: server.url, prefix, logger });
    await storage.open();
    process.kill(server.pid, 'SIGSTOP');
  });
  afterEach(async () => {
    process.kill(server.pid, 'SIGCONT');
    await storage.close();
    await server.stop();
  });

  const [charge] = charges;
  const reply = { allowed: true, nowMicros: 1, debtUnits: [policy.tokenUnits] };
  const questions: [question: string, ask: () => MaybePromise<unknown>][] = [
    ['consume', () => storage.consume(charges)],
    ['peek', () => storage.peek(charges)],
    ['refund', () => storage.refund(charges, 1)],
    ['grant', () => storage.grant(charges)],
    ['cancel', () => storage.cancel(charge!, reply)],
    ['reset', () => storage.reset(charges)],
    ['owe', () => storage.owe([{ policy, subject: 'user:1', debtUnits: 1 }])],
    ['a read of overrides', () => storage.overrideStore.read(0)],
    ['a write of overrides', () => storage.overrideStore.write('key', 'value', 0)],
    ['a removal of overrides', () => storage.overrideStore.remove('key')],
  ];

  test.each(questions)('fails in time, and the answers that come later hurt nobody: %s', async (_question, ask) => {
    const errors: unknown[] = [];
    for (let i = 0; i < 20; i++) void failureOf(Promise.resolve(ask())).then((error) => errors.push(error));
    // Asked last, it fails last: whoever is left then would wait for ever.
    expect(await failureOf(Promise.resolve(storage.consume(charges)))).toBeInstanceOf(StorageTimeoutError);
    await new Promise(setImmediate);
    expect(errors).toHaveLength(20);
    for (const error of errors) expect(error).toBeInstanceOf(StorageTimeoutError);
    process.kill(server.pid, 'SIGCONT');
    await eventually(() =>
      storage.peek(charges).then(
        () => true,
        () => false,
      ),
    );
  });
});

describe('a question to Redis', () => {
  /** Enough for what is asked of a server that answers, however busy the machine is. */
  const deadlineMs = 500;
  /** Beyond the deadline, and until the server has answered what had been sent to it: it answers others later. */
  const standStill = () => {
    const script = `
      const { Redis } = require(${JSON.stringify(require.resolve('ioredis'))});
      const client = new Redis(process.argv[1]);
      client.ping().then(() => setTimeout(() => client.disconnect(), ${deadlineMs}));`;
    const { status, stderr } = spawnSync(process.execPath, ['-e', script, redisUrl()], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  };

  test('a frozen server does not keep the storage from closing', async () => {
    const server = await startRedis();
    const storage = new RedisStorage({ url: server.url, prefix, logger });
    await storage.open();
    process.kill(server.pid, 'SIGSTOP');
    const error = failureOf(Promise.resolve(storage.consume(charges)));
    await storage.close();
    expect(await error).toBeInstanceOf(StorageFailureError);
    process.kill(server.pid, 'SIGCONT');
    await server.stop();
  });

  test('fails at once when the server was never there', async () => {
    const storage = new RedisStorage({ url: `redis://127.0.0.1:${await freePort()}`, logger, deadlineMs: 10_000 });
    await storage.open();
    const error = await failureOf(Promise.resolve(storage.consume(charges)));
    expect(error).toBeInstanceOf(StorageFailureError);
    expect(error).not.toBeInstanceOf(StorageTimeoutError);
    expect((error as Error).cause).toMatchObject({ code: 'ECONNREFUSED' });
    await storage.close();
  });

  test('is not failed because this process was busy while the answer arrived', async () => {
    const storage = new RedisStorage({ url: redisUrl(), prefix, deadlineMs, logger });
    await storage.open();
    await storage.peek(charges); // from now on the server knows the script
    const question = storage.peek(charges);
    await new Promise(setImmediate); // the request is on its way
    standStill();
    expect((await question).allowed).toBe(true);
    await storage.close();
  });

  test('is not failed, and the server not left, because this process stood still between a timer and its turn', async () => {
    const changes: RedisAvailability[] = [];
    const onAvailability = (change: RedisAvailability) => changes.push(change);
    const storage = new RedisStorage({ url: redisUrl(), prefix, deadlineMs, logger, onAvailability });
    await storage.open();
    const timers = jest.requireActual<typeof import('node:timers')>('node:timers');
    const real = timers.setTimeout;
    let hasFired = false;
    const spy = jest.spyOn(timers, 'setTimeout').mockImplementation(((run: () => void, delayMs: number) =>
      real(() => {
        hasFired = true;
        run();
      }, delayMs)) as typeof setTimeout);
    // Sets the timer, and is answered long before.
    await storage.consume(charges);
    spy.mockRestore();
    const late = await new Promise<Promise<unknown>[]>((resolve) => {
      // An immediate of every turn, so that it stands before that which the timer makes.
      const eachTurn = (): void => {
        if (!hasFired) return void setImmediate(eachTurn);
        const asked = Array.from({ length: 20 }, () => failureOf(Promise.resolve(storage.consume(charges))));
        // When they have been sent.
        process.nextTick(standStill);
        resolve(asked);
      };
      eachTurn();
    });
    expect(await Promise.all(late)).toEqual(Array.from({ length: 20 }, () => undefined));
    expect(changes).toEqual([]);
    await storage.close();
  });

  test('is not sent any more when this process stood still until it was late: nobody would hear the answer', async () => {
    const storage = new RedisStorage({ url: redisUrl(), prefix, deadlineMs, logger });
    await storage.open();
    const asked = [{ policy, subject: 'user:2', cost: 1 }];
    // Sent at once; the others wait for the end of the turn.
    const sent = failureOf(Promise.resolve(storage.consume(asked)));
    await new Promise<void>((resolve) => process.nextTick(resolve));
    const late = Array.from({ length: 20 }, () => failureOf(Promise.resolve(storage.consume(asked))));
    standStill();
    for (const error of await Promise.all(late)) expect(error).toMatchObject({ isUncharged: true });
    expect(await sent).toBeUndefined();
    const { debtUnits } = await storage.peek(asked);
    expect(Math.ceil(debtUnits[0]! / policy.refillMicros)).toBe(1);
    await storage.close();
  });
});
