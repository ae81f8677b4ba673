import { Cluster } from 'ioredis';
import type { RedisClient } from '../../src/storage/redis/client.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { FAR_AHEAD_MICROS, withScriptClock } from '../support/redis-script-clock.js';
import { stateUnder } from '../support/redis-testing.js';
import { describeStorage } from './storage.contract.js';

const PREFIX = 't:';

let cluster: TestCluster;
let real: Cluster;
beforeAll(async () => {
  cluster = await startCluster({ hasReplicas: false });
  real = new Cluster(cluster.nodes, { enableReadyCheck: true });
  await new Promise((resolve) => real.once('ready', resolve));
}, 60_000);
afterAll(async () => {
  await real.quit();
  await cluster.stop();
});

describeStorage('RedisStorage on a Cluster', () => {
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const { client, idle } = clusterAt(clock);
  return {
    storage: new RedisStorage({
      client,
      reuseConnection: true,
      prefix: PREFIX,
      // The contract is about answers, not about how soon they come.
      deadlineMs: 10_000,
      denyCache: false,
    }),
    advanceMs: async (milliseconds) => {
      await idle();
      clock.advanceMs(milliseconds);
    },
    state: async () => {
      await idle();
      const states = await Promise.all(cluster.masters.map(({ admin }) => stateUnder(admin, PREFIX)));
      // By the clock of the test a server would have forgotten what is full, and a decision that is given back does forget it.
      const isKept = (line: string) => Number(/ until (\d+)$/.exec(line)?.[1]) * 1000 > clock.nowMicros();
      return states
        .flatMap((state) => state.split('\n'))
        .filter(isKept)
        .join('\n');
    },
    // Nobody else uses these servers.
    dispose: async () => {
      await idle();
      await Promise.all(cluster.masters.map(({ admin }) => admin.flushall()));
    },
  };
});

/**
 * The cluster by a clock. What a decision about several nodes took before one of them denied is given back without
 * anybody waiting for it: `idle` waits.
 */
function clusterAt(clock: ManualClock) {
  // The calls are the same, each to the node that has its keys.
  const atClock = withScriptClock(real, clock);
  const underWay = new Set<Promise<unknown>>();
  const watched = <T>(call: Promise<T>): Promise<T> => {
    const done = call.catch(() => {}).finally(() => underWay.delete(done));
    underWay.add(done);
    return call;
  };
  const client: RedisClient = {
    ...atClock,
    isCluster: true,
    options: Object.assign({ retryDelayOnFailover: 0 }, atClock.options),
    evalsha: (...args) => watched(atClock.evalsha(...args)),
    eval: (...args) => watched(atClock.eval(...args)),
    del: (...keys) => watched(atClock.del(...keys)),
  };
  // By them the storage knows which node a slot is on.
  Object.defineProperty(client, 'slots', { get: () => real.slots });
  const idle = async (): Promise<void> => {
    while (underWay.size > 0) await Promise.all(underWay);
  };
  return { client, idle };
}
