import { isDeepStrictEqual } from 'node:util';
import type { Charge } from '../../src/core/charge.js';
import { isStorageFailure } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { OutageStorage } from '../../src/storage/outage/outage.storage.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { proxiesBefore } from '../support/redis-cluster-proxies.js';
import { subjectOf, subjectsOf } from '../support/redis-cluster-subjects.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { cleanUpAfterEach, eventually, isAnswered } from '../support/redis-testing.js';

/** Two cores and several servers: that a sound node is slow for once is no failure. */
const DEADLINE_MS = 1000;
const logger = { warn: () => {} };

let cluster: TestCluster;
let direct: RedisStorage;

beforeAll(async () => {
  cluster = await startCluster({ hasReplicas: false });
  direct = new RedisStorage({ cluster: { nodes: cluster.nodes }, deadlineMs: 5000, logger });
  await direct.open();
});
const cleanups = cleanUpAfterEach();
afterAll(async () => {
  await direct.close();
  await cluster.stop();
});

/** A token takes a day to come back, so debts tell exactly what was taken. */
function dayOf(name: string, capacity: number, onStorageFailure: 'local' | 'deny'): Policy {
  return new Policy({ name, capacity, refillTokens: 1, refillSeconds: 86_400, onStorageFailure });
}

const chargeOf = (policy: Policy, subject: string): Charge => ({ policy, subject, cost: 1 });

async function taken(charges: readonly Charge[]): Promise<number[]> {
  const { debtUnits } = await direct.peek(charges);
  return debtUnits.map((debt, i) => Math.round(debt / charges[i]!.policy.refillMicros));
}

const firstOf = (master: number) => [chargeOf(dayOf('first', 1000, 'local'), subjectOf(master, 'first'))];

/** A storage behind which the first of three nodes has fallen silent, and is known to have. */
async function withSilentNode() {
  const { proxies, cluster: throughThem, stop } = await proxiesBefore(cluster);
  cleanups.push(stop);
  const storage = new RedisStorage({ cluster: throughThem, deadlineMs: DEADLINE_MS, logger });
  const outage = new OutageStorage(storage, { onStorageFailure: 'local', instances: 1 });
  cleanups.push(() => outage.close());
  await outage.open();
  const other = [chargeOf(dayOf('other', 1000, 'local'), subjectOf(0, 'other'))];
  for (const master of [0, 1, 2]) await eventually(() => isAnswered(storage.consume(firstOf(master))));
  proxies[0]!.answers = 'keep back';
  const waiting = await Promise.all(Array.from({ length: 8 }, () => isAnswered(storage.consume(other))));
  expect(waiting).not.toContain(true);
  // What is only owed travels by EVAL.
  let decisions = 0;
  for (const sound of proxies.slice(1)) {
    sound.onRequest = (data) => (decisions += data.toString('latin1').match(/\bevalsha\b/gi)?.length ?? 0);
  }
  const recovered = async () => {
    proxies[0]!.release();
    await eventually(() => isAnswered(storage.consume(other)));
  };
  return { storage, outage, recovered, decisions: () => decisions };
}

test("while one subject's node is away nothing is asked about the others, and nobody is denied because of it", async () => {
  const { outage, decisions } = await withSilentNode();
  const limiter = new RateLimiter(outage);
  const [few, many] = [dayOf('few', 20, 'deny'), dayOf('many', 1000, 'deny')];
  const address = chargeOf(few, subjectOf(2, 'address'));
  const users = subjectsOf(0, 'user', 60);
  for (let round = 0; round < 3; round++) {
    const outcomes = await Promise.all(
      users.map(async (subject) =>
        Promise.resolve(limiter.consume([address, { policy: many, subject }])).then(
          ({ allowed }) => (allowed ? 'allowed' : 'denied'),
          (error: unknown) => (isStorageFailure(error) ? 'no answer' : String(error)),
        ),
      ),
    );
    expect([...new Set(outcomes)]).toEqual(['no answer']);
  }
  expect(await taken([address])).toEqual([0]);
  expect(decisions()).toBe(0);
});

test('what is given out meanwhile is owed to all of the nodes, and told them once', async () => {
  const { outage, recovered, decisions } = await withSilentNode();
  const address = chargeOf(dayOf('address', 50, 'local'), subjectOf(2, 'owing address'));
  const user = chargeOf(dayOf('user', 100, 'local'), subjectOf(0, 'owing user'));
  for (let i = 0; i < 40; i++) expect(await outage.consume([address, user])).toMatchObject({ allowed: true });
  expect(await taken([user])).toEqual([0]);
  expect(decisions()).toBe(0);
  await recovered();
  expect(await outage.consume([address, user])).toMatchObject({ allowed: true });
  await eventually(async () => isDeepStrictEqual(await taken([address, user]), [41, 41]));
  for (let i = 0; i < 9; i++) expect(await outage.consume([address, user])).toMatchObject({ allowed: true });
  expect(await outage.consume([address, user])).toMatchObject({ allowed: false });
  await eventually(async () => isDeepStrictEqual(await taken([address, user]), [50, 50]));
});

test('while a node is in doubt, nothing is held of what the others keep', async () => {
  const { proxies, cluster: throughThem, stop } = await proxiesBefore(cluster);
  cleanups.push(stop);
  const storage = new RedisStorage({ cluster: throughThem, deadlineMs: DEADLINE_MS, logger });
  cleanups.push(() => storage.close());
  await storage.open();
  const one = chargeOf(dayOf('one', 1, 'deny'), subjectOf(2, 'in doubt'));
  const other = chargeOf(dayOf('more', 1000, 'deny'), subjectOf(0, 'in doubt'));
  for (const master of [0, 2]) await eventually(() => isAnswered(storage.consume(firstOf(master))));
  proxies[0]!.answers = 'keep back';
  expect(await isAnswered(storage.consume([other]))).toBe(false);
  // One of those that would open the breaker is under way; the token that it needs as well is left to others.
  const { requests } = proxies[0]!;
  const waiting = isAnswered(storage.consume([one, other]));
  await eventually(() => proxies[0]!.requests > requests);
  expect(await taken([one])).toEqual([0]);
  expect(await storage.consume([one])).toMatchObject({ allowed: true });
  expect(await waiting).toBe(false);
});
