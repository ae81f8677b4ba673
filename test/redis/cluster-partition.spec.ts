import { setTimeout as sleep } from 'node:timers/promises';
import { arrivalMicros } from '../../src/core/algorithms/token-bucket.js';
import type { Charge } from '../../src/core/charge.js';
import { StorageFailureError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import type { RateLimitStorage } from '../../src/core/storage.js';
import { OutageStorage } from '../../src/storage/outage/outage.storage.js';
import type { RedisClusterNodes } from '../../src/storage/redis/cluster-client.js';
import { bucketKey } from '../../src/storage/redis/key.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { drain } from '../support/redis-cluster-drain.js';
import { subjectOf } from '../support/redis-cluster-subjects.js';
import { type ClusterNode, startCluster, type TestCluster } from '../support/redis-cluster.js';
import { type Partition, partitionAround } from '../support/redis-partition.js';
import { eventually } from '../support/redis-testing.js';

const PREFIX = 'rl:';
const INSTANCES = 2;
const WORKERS = 2;
const DEADLINE_MS = 300;
/** Of this one it is known exactly what was taken; that one is used up all the time. Their debts are in microseconds. */
const day = new Policy({ name: 'day', capacity: 20_000, refillTokens: 1, refillSeconds: 86_400 });
const quick = new Policy({ name: 'quick', capacity: 100, refillTokens: 50, refillSeconds: 1 });

let cluster: TestCluster;
let network: Partition;
let master: ClusterNode;
let replica: ClusterNode;
const storages: RateLimitStorage[] = [];
const loads: Both[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  [master, replica] = [cluster.masters[0]!, cluster.replicas[0]!];
  network = await partitionAround(master, cluster);
});
afterAll(async () => {
  await Promise.all(loads.flatMap(({ minority, majority }) => [minority.end(), majority.end()]));
  for (const storage of storages) await storage.close();
  await network.stop();
  await cluster.stop();
});

async function opened(side: RedisClusterNodes, isWithOutage: boolean): Promise<RateLimitStorage> {
  const redis = new RedisStorage({
    cluster: side,
    prefix: PREFIX,
    deadlineMs: DEADLINE_MS,
    logger: { warn: () => {} },
  });
  const options = { onStorageFailure: 'local', instances: INSTANCES } as const;
  const storage = isWithOutage ? new OutageStorage(redis, options) : redis;
  storages.push(storage);
  await storage.open();
  return storage;
}

/** Clients of one instance, each of which asks again when it has an answer. */
class Load {
  /** What each admission of Redis made of its bucket. */
  readonly arrivals: number[] = [];
  /** Admitted in its place. */
  local = 0;
  failures = 0;
  /** Those that may have been charged. */
  unknown = 0;
  readonly others: unknown[] = [];
  private firstLocalMs = Infinity;
  private lastLocalMs = -Infinity;
  private isOver = false;
  private readonly workers: Promise<void>[];

  constructor(
    private readonly storage: RateLimitStorage,
    readonly charge: Charge,
  ) {
    this.workers = Array.from({ length: WORKERS }, () => this.work());
  }

  private async work(): Promise<void> {
    while (!this.isOver) {
      const beginMs = performance.now();
      try {
        const { allowed, nowMicros, debtUnits, madeInstead } = await this.storage.consume([this.charge]);
        if (allowed && madeInstead === undefined) {
          this.arrivals.push(arrivalMicros(this.charge.policy, nowMicros, debtUnits[0]!));
        } else if (madeInstead !== undefined) {
          if (allowed) this.local++;
          this.firstLocalMs = Math.min(this.firstLocalMs, beginMs);
          this.lastLocalMs = performance.now();
        }
      } catch (error) {
        if (!(error instanceof StorageFailureError)) this.others.push(error);
        else if (!error.isUncharged) this.unknown++;
        this.failures++;
      }
      await sleep(4);
    }
  }

  /** Seconds from the first to the last answer of the instance itself. */
  get outageSeconds(): number {
    return Math.max(0, this.lastLocalMs - this.firstLocalMs) / 1000;
  }

  async end(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.workers);
  }
}

/** The loads of both sides on one bucket. */
interface Both {
  readonly minority: Load;
  readonly majority: Load;
  readonly isWithOutage: boolean;
}

const refilled = (policy: Policy, seconds: number) => (seconds * 1e6 * policy.refillTokens) / policy.refillMicros;

async function keysAndExpiries({ admin }: ClusterNode): Promise<[keys: number, expiries: number]> {
  const [, keys, expiries] = /keys=(\d+),expires=(\d+)/.exec(await admin.info('keyspace')) ?? [];
  return [Number(keys), Number(expiries)];
}

async function isMaster({ admin }: ClusterNode): Promise<boolean> {
  return (await admin.info('replication')).includes('role:master');
}

test('a master that is cut off with some of its clients gives out what is not replicated, until it stops, and no more', async () => {
  const beginMs = performance.now();
  for (const isWithOutage of [false, true]) {
    const [here, there] = [await opened(network.minority, isWithOutage), await opened(network.majority, isWithOutage)];
    for (const policy of [day, quick]) {
      const charge = { policy, subject: subjectOf(0, `${policy.name} ${isWithOutage}`), cost: 1 };
      loads.push({ minority: new Load(here, charge), majority: new Load(there, charge), isWithOutage });
    }
  }
  const minorities = loads.map(({ minority }) => minority);
  const all = loads.flatMap(({ minority, majority }) => [minority, majority]);
  const admitted = () => all.map(({ arrivals }) => arrivals.length);
  await sleep(1000);
  await eventually(() => Math.min(...admitted()) > 0);

  network.cut();
  const cutMs = performance.now();
  const beforeCut = minorities.map(({ arrivals }) => arrivals.length);
  // What was on its way arrives; the replica takes the place of its master much later.
  await sleep(200);
  await replica.admin.readonly();
  const replicated = await Promise.all(
    minorities.map(async ({ charge }) => Number(await replica.admin.get(bucketKey(PREFIX, charge)))),
  );
  expect(await isMaster(replica)).toBe(false);
  await eventually(async () => (await master.admin.cluster('INFO')).includes('cluster_state:fail'));
  const stoppedMs = performance.now();
  await sleep(DEADLINE_MS);
  const atStop = minorities.map(({ arrivals }) => arrivals.length);
  expect(Math.min(...atStop.map((count, i) => count - beforeCut[i]!))).toBeGreaterThan(0);
  await eventually(() => isMaster(replica));
  const replacedMs = performance.now();
  const untilReplaced = loads.map(({ majority }) => majority.arrivals.length);
  await eventually(() => loads.every(({ majority }, i) => majority.arrivals.length > untilReplaced[i]!));
  await sleep(1000);
  expect(minorities.map(({ arrivals }) => arrivals.length)).toEqual(atStop);
  for (const node of [master, replica]) {
    const [keys, expiries] = await keysAndExpiries(node);
    expect(keys).toBeGreaterThan(0);
    expect(expiries).toBe(keys);
  }

  network.heal();
  const healedMs = performance.now();
  await eventually(async () => !(await isMaster(master)));
  const atHeal = admitted();
  await eventually(() => all.every(({ arrivals }, i) => arrivals.length > atHeal[i]!));
  const againMs = performance.now();
  await sleep(1000);
  await Promise.all(all.map((load) => load.end()));
  const seconds = (performance.now() - beginMs) / 1000;

  const patient = new RedisStorage({ cluster: network.majority, prefix: PREFIX, deadlineMs: 5000, denyCache: false });
  storages.push(patient);
  await patient.open();
  console.log(
    `cut off: writes for ${Math.round(stoppedMs - cutMs)} ms more, replaced after ${Math.round(replacedMs - cutMs)} ms, ` +
      `healed after ${Math.round(healedMs - cutMs)} ms, all counted in Redis again ${Math.round(againMs - healedMs)} ms later`,
  );
  for (const [i, { minority, majority, isWithOutage }] of loads.entries()) {
    const { policy } = minority.charge;
    const forgotten = minority.arrivals.slice(0, atStop[i]).filter((arrival) => arrival > replicated[i]!).length;
    const byRedis = minority.arrivals.length + majority.arrivals.length;
    const local = minority.local + majority.local;
    const drained = policy === day ? await drain(patient, [minority.charge]) : 0;
    const failures = minority.failures + majority.failures;
    console.log(
      `${policy.name}${isWithOutage ? ' with an outage storage' : ''}: ${byRedis} by Redis, of which ${forgotten} not ` +
        `replicated; ${local} in its place; ${failures} failed; ${drained} left`,
    );
    const most = policy.capacity + refilled(policy, seconds);
    expect(forgotten).toBeGreaterThan(0);
    expect(forgotten).toBeLessThanOrEqual(policy.capacity + refilled(policy, (stoppedMs - cutMs) / 1000));
    expect(byRedis + drained).toBeLessThanOrEqual(most + forgotten);
    if (policy === day && !isWithOutage) {
      const unknown = minority.unknown + majority.unknown;
      expect(byRedis + drained).toBeGreaterThanOrEqual(policy.capacity + forgotten - unknown);
    }
    const outages = [minority.outageSeconds, majority.outageSeconds];
    expect(byRedis + local).toBeLessThanOrEqual(
      most + forgotten + policy.capacity + refilled(policy, Math.max(...outages)),
    );
    for (const load of [minority, majority]) {
      const share = Math.floor(policy.capacity / INSTANCES) + refilled(policy, load.outageSeconds) / INSTANCES;
      expect(load.local).toBeLessThanOrEqual(isWithOutage ? share : 0);
      expect(load.others).toEqual([]);
      expect(load.failures > 0).toBe(!isWithOutage);
    }
  }
  for (const node of [...cluster.masters, ...cluster.replicas]) {
    const [keys, expiries] = await keysAndExpiries(node);
    expect(expiries).toBe(keys);
  }
}, 60_000);
