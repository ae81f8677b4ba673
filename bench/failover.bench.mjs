// What a failover of a Cluster or of a Sentinel group, and a resharding, look like from outside: to the Redis storage, and
// to the same script on a client of ioredis with its default options. Both are asked at once, about the same buckets.
import os from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { ours, plain } from './failover/contenders.mjs';
import { SCENES } from './failover/scenes.mjs';
import { OpenLoad } from './redis/open-load.mjs';
import { median } from './support/measure.mjs';
import { readOptions } from './support/options.mjs';
import { machine, printTable } from './support/table.mjs';

const PER_SECOND = 500;
const WATCHED_MS = 9000;
const FIGURES = {
  'away, median': { figure: 'awayMs', of: median, isTime: true },
  'away, longest': { figure: 'awayMs', of: largest, isTime: true },
  p50: { figure: 'medianMs', of: median, isTime: true },
  p99: { figure: 'p99Ms', of: median, isTime: true },
  slowest: { figure: 'worstMs', of: largest, isTime: true },
  'waiting at once': { figure: 'mostPending', of: largest },
  asked: { figure: 'asked', of: sum },
  failed: { figure: 'failed', of: sum },
  denied: { figure: 'denied', of: sum },
  forgotten: { figure: 'forgotten', of: sum },
  'longest stall of the process': { figure: 'stallMs', of: largest, isTime: true },
};
const { rounds, isWanted } = readOptions(3);

console.log(
  `${machine(os)}; ${PER_SECOND} requests/s each, watched for ${WATCHED_MS / 1000} s, ${rounds} times; ` +
    'cluster-node-timeout 1 s, down-after-milliseconds 0.5 s',
);
for (const scene of SCENES.filter(isWanted)) await compare(scene);

async function compare({ title, runs }) {
  const told = new Map();
  let played = 0;
  for await (const run of runs()) {
    for (const { name, ...figures } of await watch(run)) told.set(name, [...(told.get(name) ?? []), figures]);
    if (++played === rounds) break;
  }
  printTable(
    title,
    ['', ...Object.keys(FIGURES)],
    [...told].map(([name, figures]) => [
      name,
      ...Object.values(FIGURES).map(({ figure, of, isTime }) => {
        const value = of(figures.map((each) => each[figure]));
        return isTime ? time(value) : value;
      }),
    ]),
  );
}

async function watch({ where, subjects, begin, end, keeper }) {
  const contenders = [await ours(where), plain(where)];
  // Twice as many as will be asked about, so that a late timer finds one.
  const asked = subjects((PER_SECOND * WATCHED_MS) / 500);
  const loads = contenders.map(({ decide }) => new OpenLoad(decide, asked.values(), PER_SECOND));
  await sleep(500);
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  stalls.enable();
  const beginMs = performance.now();
  await begin();
  await sleep(WATCHED_MS);
  stalls.disable();
  await Promise.all(loads.map((load) => load.end()));
  await end();
  // What was kept for later is sent now.
  await sleep(2000);
  const told = [];
  for (const [i, { name, keyOf, close }] of contenders.entries()) {
    const allowed = loads[i].requests.filter(({ outcome }) => outcome === 'allowed');
    const kept = await Promise.all(allowed.map(({ subject }) => keeper.exists(keyOf(subject))));
    const forgotten = kept.filter((count) => count === 0).length;
    told.push({ name, ...loads[i].figuresSince(beginMs), forgotten, stallMs: stalls.max / 1e6 });
    await close();
  }
  return told;
}

function time(ms) {
  return ms === Infinity ? 'all the time' : `${Math.round(ms)} ms`;
}

function largest(values) {
  return Math.max(...values);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
