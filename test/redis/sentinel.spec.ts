import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { StorageFailureError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import type { RedisAvailability } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { startFakeRedis } from '../support/redis-fake-server.js';
import { drain } from '../support/redis-cluster-drain.js';
import { startSentinelGroup } from '../support/redis-sentinel.js';
import { startRedis } from '../support/redis-server.mjs';
import { eventually, plainClient } from '../support/redis-testing.js';

const DEADLINE_MS = 200;
const CAPACITY = 20_000;
const logger = { warn: () => {} };
// A token takes a day to come back, so that the tokens given out tell what a failover has forgotten.
const policy = new Policy({ capacity: CAPACITY, refillTokens: 1, refillSeconds: 86_400 });
const charges = [{ policy, subject: 'user:1', cost: 1 }];

test('a master that is killed under load is replaced, and what it had not passed on is all that is given out twice', async () => {
  const group = await startSentinelGroup();
  const [master, replica] = [group.master, group.replica].map(({ url }) =>
    plainClient({ retryStrategy: () => null }, url),
  ) as [Redis, Redis];
  for (const admin of [master, replica]) admin.on('error', () => {});
  const changes: RedisAvailability[] = [];
  const options = { sentinels: [...group.sentinels], name: group.name };
  // What is left is taken by a storage that no slow moment of this machine keeps from it.
  const patient = new RedisStorage({ options, deadlineMs: 5000, logger });
  const storage = new RedisStorage({
    options,
    deadlineMs: DEADLINE_MS,
    logger,
    onAvailability: (change) => void changes.push(change),
  });
  let [admitted, unknown, worstMs] = [0, 0, 0];
  let killedMs = Infinity;
  let backMs: number | undefined;
  const ask = async () => {
    const begin = performance.now();
    try {
      const reply = await storage.consume(charges);
      if (reply.allowed) admitted++;
      if (begin > killedMs) backMs ??= performance.now();
    } catch (error) {
      if (!(error instanceof StorageFailureError)) throw error;
      if (!error.isUncharged) unknown++;
    }
    worstMs = Math.max(worstMs, performance.now() - begin);
  };
  let isOver = false;
  /** Workers that ask until then, and have all been answered. */
  const askUntil = (isEnough: () => boolean) => {
    const worker = async () => {
      while (!isOver && !isEnough()) {
        await ask();
        await sleep(1);
      }
    };
    return Promise.all(Array.from({ length: 8 }, worker));
  };
  try {
    await storage.open();
    await askUntil(() => admitted >= 500);
    const passedOn = admitted;
    await eventually(async () => (await offsetOf(replica)) === (await offsetOf(master)));
    // From here on the replica hears nothing.
    await master.acl('SETUSER', 'default', '-psync', '-sync');
    await master.call('CLIENT', 'KILL', 'TYPE', 'replica');
    await eventually(async () => (await master.info('replication')).includes('connected_slaves:0'));
    await askUntil(() => admitted >= passedOn + 500);
    const heard = await offsetOf(replica);

    const load = askUntil(() => backMs !== undefined || performance.now() > killedMs + 20_000);
    await sleep(100);
    expect(await offsetOf(replica)).toBe(heard);
    // A slow moment of this machine may have been told before.
    changes.length = 0;
    process.kill(group.master.pid, 'SIGKILL');
    killedMs = performance.now();
    // Whoever began before is answered by then, if at all, and by the one that was killed: no other is master so soon.
    await sleep(2 * DEADLINE_MS);
    const notPassedOn = admitted - passedOn;
    await load;
    expect(backMs).toBeDefined();

    expect(changes.map(({ available }) => available)).toEqual([false, true]);
    admitted += await drain(patient, charges);
    const excess = admitted - CAPACITY;
    console.log(
      `Sentinel: ${passedOn} given out and passed on, ${notPassedOn} not, away for ${Math.round(backMs! - killedMs)} ms, ` +
        `slowest decision ${Math.round(worstMs)} ms, excess ${excess}, ${unknown} of unknown outcome`,
    );
    expect(Math.min(passedOn, notPassedOn)).toBeGreaterThanOrEqual(500);
    expect(excess).toBeLessThanOrEqual(notPassedOn);
    // What was asked and not answered may have been charged; nothing else is missing.
    expect(excess).toBeGreaterThanOrEqual(notPassedOn - unknown);
  } finally {
    isOver = true;
    for (const admin of [master, replica]) admin.disconnect();
    await Promise.all([storage.close(), patient.close()]);
    await group.stop();
  }
}, 45_000);

/** How far a master has come, or what its replica has heard of it. */
async function offsetOf(admin: Redis): Promise<string | undefined> {
  const info = await admin.info('replication');
  return (/slave_repl_offset:(\d+)/.exec(info) ?? /master_repl_offset:(\d+)/.exec(info))?.[1];
}

test('a master that was demoted while connected is left for the new one', async () => {
  const [first, second] = await Promise.all([startRedis(), startRedis()]);
  const admin = plainClient({}, first.url);
  let masterPort = first.port;
  const sentinel = await startFakeRedis((command, [question = '']) => {
    if (command === 'INFO') return '$9\r\nloading:0\r\n';
    if (command !== 'SENTINEL') return '+OK\r\n';
    if (question !== 'get-master-addr-by-name') return '*0\r\n';
    return `*2\r\n$9\r\n127.0.0.1\r\n$${String(masterPort).length}\r\n${masterPort}\r\n`;
  });
  const storage = new RedisStorage({
    options: { sentinels: [{ host: '127.0.0.1', port: Number(new URL(sentinel.url).port) }], name: 'main' },
    deadlineMs: 1000,
    logger,
  });
  try {
    await storage.open();
    expect((await storage.consume(charges)).allowed).toBe(true);
    masterPort = second.port;
    await admin.replicaof('127.0.0.1', second.port);
    await expect(storage.consume(charges)).rejects.toThrow(/READONLY/);
    const beginMs = performance.now();
    await eventually(() =>
      Promise.resolve(storage.consume(charges)).then(
        () => true,
        () => false,
      ),
    );
    console.log(`demoted: asks the new master after ${Math.round(performance.now() - beginMs)} ms`);
    const other = plainClient({}, second.url);
    expect(await other.dbsize()).toBe(1);
    await other.quit();
  } finally {
    await storage.close();
    await admin.quit();
    await sentinel.stop();
    await Promise.all([first.stop(), second.stop()]);
  }
});
