import { StorageFailureError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.mjs';
import { cleanUpAfterAll } from '../support/redis-testing.js';

const CUTS = 10_000;
/** They wait for their new connections at the same time, a quarter of a second and more for each. */
const STORAGES = 400;
/** Nothing refills while the test runs, so debts tell how often the script ran. */
const policy = new Policy({ capacity: 1000, refillTokens: 1, refillSeconds: 86_400 });
const cleanups = cleanUpAfterAll();

const about = (subject: string) => ({ policy, subject, cost: 1 });

/** A storage that can be waited for when its connection was cut. */
function waitable(url: string) {
  let onReady = () => {};
  const storage = new RedisStorage({
    url,
    deadlineMs: 10_000,
    denyCache: false,
    logger: { warn: () => {} },
    onAvailability: ({ available }) => {
      if (available) onReady();
    },
  });
  cleanups.push(() => storage.close());
  const isBack = async () => {
    if (!storage.isAvailable) await new Promise<void>((resolve) => (onReady = resolve));
    // What it has asked on its new connection is answered before this; no other answer is to be cut.
    await storage.peek([about('nobody')]);
  };
  return { storage, isBack };
}

test('no decision is executed twice, however many answers are cut off', async () => {
  const server = await startRedis();
  cleanups.push(() => server.stop());
  const proxy = await RedisProxy.start(server.port);
  cleanups.push(() => proxy.stop());
  const storages = Array.from({ length: STORAGES }, () => waitable(proxy.url));
  const direct = new RedisStorage({ url: server.url, deadlineMs: 10_000 });
  cleanups.push(() => direct.close());
  await Promise.all(storages.map(({ storage }) => storage.open()));
  await storages[0]!.storage.consume([about('somebody')]);
  const asked = new Set<string>();
  // Once each: what is sent again would be answered, and counted.
  proxy.isToBeCut = (data) => {
    const [subject] = /cut:\d+/.exec(data.toString('latin1')) ?? [];
    return subject !== undefined && asked.size < asked.add(subject).size;
  };

  // Every decision has a connection and a bucket to itself.
  const subjects = Array.from({ length: CUTS }, (_, i) => `cut:${i}`);
  const outcomes = new Map<string, number>();
  const beginMs = performance.now();
  let next = 0;
  const work = async ({ storage, isBack }: ReturnType<typeof waitable>) => {
    while (next < CUTS) {
      const subject = subjects[next++]!;
      await isBack();
      const outcome = await Promise.resolve(storage.consume([about(subject)])).then(
        () => 'answered',
        (error: unknown) => (error instanceof StorageFailureError && !error.isUncharged ? 'unknown' : String(error)),
      );
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  };
  await Promise.all(storages.map(work));
  const tookMs = performance.now() - beginMs;
  // What would be sent again is sent when there is a connection again.
  await Promise.all(storages.map(({ isBack }) => isBack()));

  const executions = new Map<number, number>();
  for (let at = 0; at < CUTS; at += 500) {
    const { debtUnits } = await direct.peek(subjects.slice(at, at + 500).map(about));
    for (const units of debtUnits) {
      const times = Math.ceil(units / policy.tokenUnits);
      executions.set(times, (executions.get(times) ?? 0) + 1);
    }
  }
  console.log(
    `cut answers: ${proxy.cuts} of as many connections in ${(tookMs / 1000).toFixed(1)} s; ` +
      `executions: ${[...executions].map(([times, count]) => `${count} decisions ${times} times`).join(', ')}`,
  );
  expect([...outcomes]).toEqual([['unknown', CUTS]]);
  expect(proxy.cuts).toBe(CUTS);
  // An answer that can be cut comes of an execution: once each, neither more nor less.
  expect([...executions]).toEqual([[1, CUTS]]);
}, 60_000);
