import { Cluster } from 'ioredis';
import type { Charge } from '../../src/core/charge.js';
import { Policy } from '../../src/core/policy.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import type { RedisClient } from '../../src/storage/redis/client.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { slotOf } from '../../src/storage/redis/slots.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { proxiesBefore } from '../support/redis-cluster-proxies.js';
import { subjectsIn, subjectsOf } from '../support/redis-cluster-subjects.js';
import { awkwardPolicies, otherAlgorithms } from '../support/redis-policies.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { FAR_AHEAD_MICROS, withScriptClock } from '../support/redis-script-clock.js';
import { cleanUpAfterEach, eventually } from '../support/redis-testing.js';
import { told } from '../support/storage-replies.js';

const BURSTS = 200;
const three = new Policy({ name: 'three', capacity: 3, perSeconds: 60 });
const five = new Policy({ name: 'five', capacity: 5, perSeconds: 60 });

let cluster: TestCluster;
const cleanups = cleanUpAfterEach();

beforeAll(async () => {
  cluster = await startCluster({ hasReplicas: false });
});
afterAll(() => cluster.stop());

/** A storage at the time of a clock, and the calls that it made: the subjects of the keys of each, in their order. */
async function observed(clock: ManualClock, prefix: string) {
  const client = new Cluster(cluster.nodes);
  cleanups.push(() => client.disconnect());
  client.on('error', () => {});
  await eventually(() => client.status === 'ready');
  const calls: string[][] = [];
  const atClock = withScriptClock(client, clock);
  const counting: RedisClient = {
    ...atClock,
    evalsha: (sha1, keyCount, ...rest) => {
      calls.push(rest.slice(0, keyCount).map((key) => /\{(.*?)\}/.exec(key)![1]!));
      return atClock.evalsha(sha1, keyCount, ...rest);
    },
  };
  const storage = new RedisStorage({
    client: counting,
    reuseConnection: true,
    prefix,
    deadlineMs: 10_000,
    denyCache: false,
    logger: { warn: () => {} },
  });
  cleanups.push(() => storage.close());
  // By then every master knows the scripts, and the storage is open.
  for (const policy of [three, ...otherAlgorithms().slice(0, 2)]) {
    for (const master of [0, 1, 2]) {
      for (const subject of subjectsOf(master, 'warm', 1)) await storage.consume([{ policy, subject, cost: 1 }]);
    }
  }
  calls.length = 0;
  return { storage, calls };
}

/** Subjects on all masters, two of them in each slot that is met. */
function pairsOfSubjects(name: string): string[] {
  return [0, 1, 2].flatMap((master) => {
    const [first] = subjectsOf(master, name, 1);
    return [first!, ...subjectsIn(1, `${name}-too`, (slot) => slot === slotOf(first!))];
  });
}

test('decisions that travel together in a cluster are answered as if they had come one by one', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const oneByOne = new MemoryStorage({ clock });
  const { storage, calls } = await observed(clock, 'equivalence:');
  const policies = [...awkwardPolicies(), ...otherAlgorithms()];
  const subjects = pairsOfSubjects('user');
  let [decisions, denied] = [0, 0];
  for (let number = 0; number < BURSTS; number++) {
    clock.advanceMicros(random.pick([0, 1, 1000, 1_000_000, random.integer(0, 100_000_000)]));
    const few = [random.pick(policies), random.pick(policies), three, five];
    const burst: Charge[][] = [];
    const length = random.pick([1, 5, 30, 100]);
    while (burst.length < length) {
      const charges = new Map<string, Charge>();
      // One call can be about two subjects of one slot.
      const pair = 2 * random.integer(0, 2);
      for (let i = random.pick([1, 1, 1, 2, 3]); i > 0; i--) {
        const policy = random.pick(few);
        const subject = subjects[pair + random.integer(0, 1)]!;
        const cost = random.pick([1, 1, 2, Math.ceil(policy.capacity / 4), policy.capacity + 1]);
        charges.set(`${subject} ${policy.id}`, { policy, subject, cost });
      }
      for (let i = random.pick([1, 1, 2, 7]); i > 0; i--) burst.push([...charges.values()]);
    }
    const replies = await Promise.all(burst.map(async (charges) => storage.consume(charges)));
    const expected = burst.map((charges) => oneByOne.consume(charges));
    expect([number, random.seed, replies.map(told)]).toEqual([number, random.seed, expected.map(told)]);
    decisions += burst.length;
    denied += replies.filter(({ allowed }) => !allowed).length;
  }
  console.log(
    `batches in a cluster, seed ${random.seed}: ${decisions} decisions, ${denied} denied, ${calls.length} calls`,
  );
  expect(denied).toBeGreaterThan(decisions / 20);
  expect(decisions - denied).toBeGreaterThan(decisions / 20);
  expect(calls.length).toBeLessThan(decisions / 10);
  for (const call of calls) expect(new Set(call.map(slotOf)).size).toBe(1);
}, 60_000);

test('what is asked of a slot in one turn is one call, and equal requests in a row are one key of it', async () => {
  const { storage, calls } = await observed(new ManualClock(FAR_AHEAD_MICROS), 'turn:');
  const subjects = pairsOfSubjects('slot');
  const asked = subjects.flatMap((subject) => Array.from({ length: 20 }, () => subject));
  const replies = await Promise.all(
    asked.map(async (subject) => storage.consume([{ policy: five, subject, cost: 1 }])),
  );
  expect(replies.filter(({ allowed }) => allowed)).toHaveLength(5 * subjects.length);
  expect(calls).toEqual([0, 2, 4].map((i) => subjects.slice(i, i + 2)));
});

test('calls to one node do not wait for each other', async () => {
  const CALLS = 100;
  const { proxies, cluster: through, stop } = await proxiesBefore(cluster);
  cleanups.push(stop);
  const storage = new RedisStorage({
    cluster: through,
    prefix: 'wire:',
    deadlineMs: 10_000,
    logger: { warn: () => {} },
  });
  cleanups.push(() => storage.close());
  await storage.open();
  const slots = new Set<number>();
  const subjects = subjectsOf(1, 'wire', 2 * CALLS).filter((subject) => slots.size < slots.add(slotOf(subject)).size);
  const ask = async (subject: string) => storage.consume([{ policy: three, subject, cost: 1 }]);
  await ask(subjects[0]!);

  let sent = '';
  proxies[1]!.answers = 'keep back';
  proxies[1]!.onRequest = (data) => (sent += data.toString('latin1'));
  const asked = subjects.slice(0, CALLS);
  const answers = Promise.all(asked.map(ask));
  const arrived = () => asked.filter((subject) => sent.includes(`{${subject}}`)).length;
  // None has been answered, and all are with the server.
  await eventually(() => arrived() === CALLS);
  proxies[1]!.release();
  expect((await answers).filter(({ allowed }) => allowed)).toHaveLength(CALLS);
});
