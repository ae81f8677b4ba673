// What requests notice of a Redis that goes away or is far: how long they take, how many of them wait, and what a decision
// costs while Redis is not asked.
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Policy, RateLimiter } from '../dist/esm/index.js';
import { OutageStorage } from '../dist/esm/storage/outage/outage.storage.js';
import { RedisStorage } from '../dist/esm/storage/redis/index.js';
import { startRedis } from '../test/support/redis-server.mjs';
import { ClosedLoad } from './redis/closed-load.mjs';
import { makeSubjects } from './support/subjects.mjs';
import { median, percentile } from './support/measure.mjs';
import { machine, printTable, thousands } from './support/table.mjs';
import './support/typescript.mjs';

const { RedisProxy } = await import('../test/support/redis-proxy.ts');

const DEADLINE_MS = 50;
/** More of the breaker's failures in a row, while those in flight still wait. */
const ALLOWANCE = 5;
const ROUNDS = 7;
const WATCHED_MS = 400;
const policy = new Policy({ capacity: 1_000_000, perSeconds: 3600 });
const { asked: subjects } = makeSubjects(1000);
const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

let redis = await startRedis();
console.log(`${machine(os)}; deadlineMs ${DEADLINE_MS}, onStorageFailure 'local'`);
const FAULTS = [
  {
    title: 'freezes (SIGSTOP)',
    begin: () => process.kill(redis.pid, 'SIGSTOP'),
    end: () => process.kill(redis.pid, 'SIGCONT'),
  },
  {
    title: 'is killed (SIGKILL)',
    begin: () => process.kill(redis.pid, 'SIGKILL'),
    end: async () => {
      const { port } = redis;
      await redis.stop();
      redis = await startRedis([], { port });
    },
  },
];
for (const fault of FAULTS) await measureStart(fault);
await measureOpen();
await measureLatency();
await redis.stop();

async function opened(url) {
  const storage = new RedisStorage({ url, deadlineMs: DEADLINE_MS, logger: { warn: () => {} } });
  const outage = new OutageStorage(storage, { onStorageFailure: 'local', instances: 8 });
  await outage.open();
  const limiter = new RateLimiter(outage);
  let at = 0;
  /** Whether Redis has decided. */
  const ask = async () => {
    const subject = subjects[at++ % subjects.length];
    return !(await limiter.consume({ policy, subject })).isWithoutStorage;
  };
  return { storage, limiter, ask, close: () => outage.close() };
}

async function measureStart({ title, begin, end }) {
  const rows = [];
  for (const clients of [1, 16, 200]) {
    const rounds = [];
    const { ask, close } = await opened(redis.url);
    for (let i = 0; i < ROUNDS; i++) {
      while (!(await ask())) await sleep(10);
      const load = new ClosedLoad(clients, ask);
      await sleep(200);
      load.begin();
      await begin();
      await sleep(WATCHED_MS);
      const { requests } = load;
      const stallMs = await load.end();
      await end();
      rounds.push({ tookMs: requests.map(({ beginMs, endMs }) => endMs - beginMs), stallMs });
    }
    await close();
    const slow = rounds.map(({ tookMs }) => tookMs.filter((each) => each > DEADLINE_MS / 2).length);
    const all = rounds.flatMap(({ tookMs }) => tookMs);
    rows.push([
      clients,
      Math.round(all.length / ROUNDS),
      `${median(slow)}, at most ${Math.max(...slow)}`,
      clients + ALLOWANCE,
      ms(percentile(all, 50)),
      ms(percentile(all, 99)),
      ms(percentile(all, 100)),
      ms(Math.max(...rounds.map(({ stallMs }) => stallMs))),
    ]);
  }
  printTable(
    `Redis ${title}: requests of the first ${WATCHED_MS} ms, ${ROUNDS} times`,
    ['in flight', 'requests', 'waited', 'may wait', 'p50', 'p99', 'slowest', 'longest stall of the process'],
    rows,
  );
}

/** The breaker is open, and stays so: what a decision costs that nobody asks Redis for. */
async function measureOpen() {
  const proxy = await RedisProxy.start(redis.port);
  const { storage, limiter, close } = await opened(proxy.url);
  proxy.answers = 'drop';
  while (storage.isAvailable)
    await Promise.all(subjects.slice(0, 10).map(async (subject) => limiter.consume({ policy, subject })));
  await sleep(2 * DEADLINE_MS);
  const sent = { probes: 0, questions: 0 };
  proxy.onRequest = (data) => void sent[data.includes('user:') ? 'questions' : 'probes']++;
  const cases = {
    "RateLimiter, 'local'": (subject) => limiter.consume({ policy, subject }),
    'RedisStorage alone, which refuses': (subject) => storage.consume([{ policy, subject, cost: 1 }]).catch(() => {}),
  };
  const rows = [];
  for (const [name, decide] of Object.entries(cases)) {
    const OPERATIONS = 50_000;
    const micros = new Float64Array(OPERATIONS);
    Object.assign(sent, { probes: 0, questions: 0 });
    let seconds = 0;
    let cpu = { user: 0, system: 0 };
    for (const isWarm of [false, true]) {
      const start = performance.now();
      const before = process.cpuUsage();
      for (let i = 0; i < OPERATIONS; i++) {
        const from = performance.now();
        await decide(subjects[i % subjects.length]);
        micros[i] = (performance.now() - from) * 1000;
        // Probes and deadlines have their turn, as on a server.
        if (i % 1000 === 0) await new Promise(setImmediate);
      }
      seconds = (performance.now() - start) / 1000;
      if (isWarm) cpu = process.cpuUsage(before);
    }
    rows.push([
      name,
      thousands(OPERATIONS / seconds),
      ((cpu.user + cpu.system) / OPERATIONS).toFixed(2),
      percentile(micros, 50).toFixed(1),
      percentile(micros, 99).toFixed(1),
      Math.round(percentile(micros, 100)),
      sent.probes,
      sent.questions,
    ]);
  }
  printTable(
    'The breaker is open',
    ['', 'decisions/s', 'CPU µs each', 'p50 µs', 'p99 µs', 'slowest µs', 'probes sent', 'questions sent'],
    rows,
  );
  await close();
  await proxy.stop();
}

async function measureLatency() {
  const rows = [];
  for (const latencyMs of [0, 10, 40, 60, 100, 1000]) {
    const proxy = await RedisProxy.start(redis.port);
    const { ask, close } = await opened(proxy.url);
    while (!(await ask())) await sleep(10);
    const load = new ClosedLoad(16, ask);
    await sleep(300);
    load.begin();
    proxy.questionDelayMs = latencyMs / 2;
    proxy.answerDelayMs = latencyMs / 2;
    await sleep(3000);
    const { requests } = load;
    await load.end();
    const took = requests.map(({ beginMs, endMs }) => endMs - beginMs);
    const decided = requests.filter(({ isDecided }) => isDecided).length;
    const waited = took.filter((each) => each > DEADLINE_MS / 2).length;
    rows.push([
      `${latencyMs} ms`,
      thousands(requests.length),
      `${((100 * decided) / requests.length).toFixed(0)} %`,
      waited,
      ms(percentile(took, 50)),
      ms(percentile(took, 99)),
      ms(percentile(took, 100)),
    ]);
    proxy.heal();
    await close();
    await proxy.stop();
  }
  printTable(
    'Redis is far: the round trip takes so much longer, for 3 s, 16 in flight',
    ['longer by', 'requests', 'decided by Redis', `above ${DEADLINE_MS / 2} ms`, 'p50', 'p99', 'slowest'],
    rows,
  );
}
