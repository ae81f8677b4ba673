// What a failover of a cluster looks like from outside: to the Redis storage, and to the same script called as peers call
// theirs, by a Cluster of ioredis with its default options. Both are asked at once, about slots of the master that fails.
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from 'ioredis';
import { Policy } from '../dist/esm/index.js';
import { RedisStorage } from '../dist/esm/storage/redis/index.js';
import consume from '../dist/esm/storage/redis/consume.lua.js';
import state from '../dist/esm/storage/redis/state.lua.js';
import { OpenLoad } from './redis/open-load.mjs';
import { median } from './support/measure.mjs';
import { machine, printTable } from './support/table.mjs';
import './support/typescript.mjs';

const { startCluster } = await import('../test/support/redis-cluster.ts');
const { subjectsIn } = await import('../test/support/redis-cluster-subjects.ts');

const PER_SECOND = 500;
const WATCHED_MS = 9000;
const DAY_MICROS = 86_400 * 1e6;
/** Each request has a bucket of its own that holds one token: all are to be allowed, once. */
const policy = new Policy({ name: 'once', capacity: 1, refillTokens: 1, refillSeconds: 86_400 });
const OURS = 'nestjs-token-bucket';
const PLAIN = 'ioredis, default options';

console.log(`${machine(os)}; ${PER_SECOND} requests/s each, 3 masters in turn, cluster-node-timeout 1 s`);
await compare('killed (SIGKILL)', 'SIGKILL');
await compare(`frozen for ${WATCHED_MS / 1000} s (SIGSTOP)`, 'SIGSTOP');

async function compare(title, signal) {
  const cluster = await startCluster();
  const figures = { [OURS]: [], [PLAIN]: [] };
  for (let victim = 0; victim < cluster.masters.length; victim++) {
    for (const [name, figure] of Object.entries(await watch(cluster, victim, signal))) figures[name].push(figure);
  }
  await cluster.stop();
  const medianOf = (name, figure) => median(figures[name].map((run) => run[figure]));
  const worstOf = (name, figure) => Math.max(...figures[name].map((run) => run[figure]));
  const sumOf = (name, figure) => figures[name].reduce((sum, run) => sum + run[figure], 0);
  const time = (ms) => (ms === Infinity ? 'all the time' : `${Math.round(ms)} ms`);
  printTable(
    `A master is ${title}`,
    [
      '',
      'away, median',
      'away, longest',
      'p50',
      'p99',
      'slowest',
      'waiting at once',
      'asked',
      'failed',
      'denied',
      'forgotten',
    ],
    Object.keys(figures).map((name) => [
      name,
      time(medianOf(name, 'awayMs')),
      time(worstOf(name, 'awayMs')),
      time(medianOf(name, 'medianMs')),
      time(medianOf(name, 'p99Ms')),
      time(worstOf(name, 'worstMs')),
      worstOf(name, 'mostPending'),
      sumOf(name, 'asked'),
      sumOf(name, 'failed'),
      sumOf(name, 'denied'),
      sumOf(name, 'forgotten'),
    ]),
  );
}

async function watch({ masters, nodes }, victim, signal) {
  const contenders = [await ours(nodes), await plain(nodes)];
  const third = (slot) => Math.floor(slot / Math.ceil(16_384 / 3)) === victim;
  const subjects = subjectsIn((PER_SECOND * WATCHED_MS) / 500, `${signal}${victim}`, third);
  const loads = contenders.map(({ decide }) => new OpenLoad(decide, subjects.values(), PER_SECOND));
  await sleep(500);
  const { pid } = masters[victim].server;
  const faultMs = performance.now();
  process.kill(pid, signal);
  await sleep(WATCHED_MS);
  await Promise.all(loads.map((load) => load.end()));
  if (signal === 'SIGSTOP') process.kill(pid, 'SIGCONT');
  // What was kept for later is sent now.
  await sleep(2000);
  const figures = {};
  for (const [i, { name, close, isCharged }] of contenders.entries()) {
    const allowed = loads[i].requests.filter(({ outcome }) => outcome === 'allowed');
    let forgotten = 0;
    for (const { subject } of allowed) if (!(await isCharged(subject))) forgotten++;
    figures[name] = { ...loads[i].figuresSince(faultMs), forgotten };
    await close();
  }
  return figures;
}

async function ours(nodes) {
  const storage = new RedisStorage({ cluster: { nodes }, logger: { warn: () => {} } });
  await storage.open();
  const charges = (subject) => [{ policy, subject, cost: 1 }];
  return {
    name: OURS,
    decide: async (subject) => (await storage.consume(charges(subject))).allowed,
    isCharged: async (subject) => (await storage.peek(charges(subject))).debtUnits[0] > 0,
    close: () => storage.close(),
  };
}

async function plain(nodes) {
  const cluster = new Cluster(nodes);
  cluster.on('error', () => {});
  cluster.defineCommand('consume', { lua: state + consume, numberOfKeys: 1 });
  const key = (subject) => `plain:{${subject}}`;
  const plan = ['1', '1', DAY_MICROS, DAY_MICROS, '1', '0', '1', '1'];
  return {
    name: PLAIN,
    decide: async (subject) => (await cluster.consume(key(subject), ...plan))[1] === 1,
    isCharged: async (subject) => (await cluster.exists(key(subject))) === 1,
    close: () => cluster.disconnect(),
  };
}
