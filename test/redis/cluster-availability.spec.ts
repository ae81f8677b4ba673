import type { Charge } from '../../src/core/charge.js';
import { Policy } from '../../src/core/policy.js';
import type { RedisAvailability } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { proxiesBefore } from '../support/redis-cluster-proxies.js';
import { subjectOf } from '../support/redis-cluster-subjects.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { cleanUpAfterEach, eventually, isAnswered } from '../support/redis-testing.js';

/** Two cores and several servers: that a sound node is slow for once is no failure. */
const DEADLINE_MS = 1000;
const policy = new Policy({ capacity: 1000, perSeconds: 60 });

// Without replicas, of which no proxy stands before any: the client would ask them who has which slot.
let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ hasReplicas: false });
});
const cleanups = cleanUpAfterEach();
afterAll(() => cluster.stop());

const asked = [0, 1, 2].map((master) => [{ policy, subject: subjectOf(master, 'told'), cost: 1 }]);

/** As many as open the breaker of a node that is silent. */
async function askInVain(storage: RedisStorage, charges: readonly Charge[]): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 5 }, () => isAnswered(storage.consume(charges))));
  expect(answers).not.toContain(true);
}

async function throughProxies() {
  const { proxies, cluster: throughThem, stop } = await proxiesBefore(cluster);
  cleanups.push(stop);
  const changes: RedisAvailability[] = [];
  const lines: string[] = [];
  const storage = new RedisStorage({
    cluster: throughThem,
    deadlineMs: DEADLINE_MS,
    onAvailability: (change) => void changes.push(change),
    logger: { warn: (line) => void lines.push(line.replace(/^RedisStorage: | \(.*/g, '')) },
  });
  cleanups.push(() => storage.close());
  await storage.open();
  for (const charges of asked) await eventually(() => isAnswered(storage.consume(charges)));
  const nodes = throughThem.nodes.map(({ host, port }) => `${host}:${port}`);
  return { storage, proxies, nodes, changes, lines };
}

describe('of each node and of the whole it is told once that it is away, and once that it is back', () => {
  test('one after the other', async () => {
    const { storage, proxies, nodes, changes, lines } = await throughProxies();
    for (const i of [0, 1]) {
      proxies[i]!.answers = 'keep back';
      await askInVain(storage, asked[i]!);
    }
    for (const i of [0, 1]) {
      proxies[i]!.release();
      await eventually(() => isAnswered(storage.consume(asked[i]!)));
      expect(storage.isAvailable).toBe(true);
    }
    expect(lines).toEqual([
      `The Redis node ${nodes[0]} is away`,
      `The Redis node ${nodes[1]} is away`,
      `The Redis node ${nodes[0]} is back, or another has its slots.`,
      `The Redis node ${nodes[1]} is back, or another has its slots.`,
    ]);
    expect(changes).toMatchObject([
      { available: false, node: nodes[0] },
      { available: false, node: nodes[1] },
      { available: true, node: nodes[0] },
      { available: true, node: nodes[1] },
    ]);
  });

  test('all of them', async () => {
    const { storage, proxies, nodes, changes, lines } = await throughProxies();
    for (const proxy of proxies) {
      proxy.questions = 'drop';
      proxy.newcomers = 'half-open';
    }
    await Promise.all(asked.map((charges) => askInVain(storage, charges)));
    expect(lines.toSorted()).toEqual(nodes.map((node) => `The Redis node ${node} is away`).toSorted());
    // The breakers' probes find out that the connections are silent, too.
    await eventually(() => !storage.isAvailable, 20_000);
    expect(lines.slice(3)).toEqual(['Redis is away']);
    expect(changes.slice(3)).toMatchObject([{ available: false }]);
    expect(changes[3]).not.toHaveProperty('node');

    for (const proxy of proxies) {
      proxy.heal();
      proxy.resetAll();
    }
    await eventually(() => storage.isAvailable, 20_000);
    expect(lines.slice(4).toSorted()).toEqual(
      [
        'Redis is back.',
        ...nodes.map((node) => `The Redis node ${node} is back, or another has its slots.`),
      ].toSorted(),
    );
    expect(changes).toHaveLength(8);
    expect(changes[7]).toEqual({ available: true, reason: '' });
  }, 60_000);
});
