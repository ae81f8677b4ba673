// The breaker is open, and stays so: what a decision costs that nobody asks Redis for.
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../support/measure.mjs';
import { printTable, thousands } from '../support/table.mjs';
import { DEADLINE_MS, opened, policy, subjects } from './target.mjs';

const OPERATIONS = 50_000;

export async function measureOpenBreaker({ proxy }) {
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
    await decideMany(decide);
    Object.assign(sent, { probes: 0, questions: 0 });
    const { perSecond, cpuMicros, micros } = await decideMany(decide);
    rows.push([
      name,
      thousands(perSecond),
      cpuMicros.toFixed(2),
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
  proxy.onRequest = () => {};
  proxy.heal();
  proxy.resetAll();
}

async function decideMany(decide) {
  const micros = new Float64Array(OPERATIONS);
  const start = performance.now();
  const before = process.cpuUsage();
  for (let i = 0; i < OPERATIONS; i++) {
    const from = performance.now();
    await decide(subjects[i % subjects.length]);
    micros[i] = (performance.now() - from) * 1000;
    // Probes and deadlines have their turn, as on a server.
    if (i % 1000 === 0) await new Promise(setImmediate);
  }
  const perSecond = OPERATIONS / ((performance.now() - start) / 1000);
  const { user, system } = process.cpuUsage(before);
  return { perSecond, cpuMicros: (user + system) / OPERATIONS, micros };
}
