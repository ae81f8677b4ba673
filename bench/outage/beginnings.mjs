// A fault begins under load: how many requests wait for nothing, and how long, until nobody asks Redis any more.
import { setTimeout as sleep } from 'node:timers/promises';
import { ClosedLoad } from '../redis/closed-load.mjs';
import { median, percentile } from '../support/measure.mjs';
import { printTable } from '../support/table.mjs';
import { DEADLINE_MS, ms, opened, WAITED_MS } from './target.mjs';

/** More of the breaker's failures in a row, while those in flight still wait. */
const ALLOWANCE = 5;
/** Of the slowest, beyond the deadline. */
const MARGIN_MS = 10;
const WATCHED_MS = 400;
const IN_FLIGHT = [1, 16, 200];

export async function measureBeginnings(target, faults, rounds) {
  const rows = [];
  const beyond = [];
  for (const fault of faults) {
    for (const clients of IN_FLIGHT) {
      const { slow, failed, tookMs, stallMs } = await measure(target, fault, clients, rounds);
      const slowestMs = percentile(tookMs, 100);
      if (slowestMs > DEADLINE_MS + MARGIN_MS || Math.max(...slow) > clients + ALLOWANCE) {
        beyond.push(`${fault.title}, ${clients} in flight`);
      }
      rows.push([
        `… ${fault.title}`,
        clients,
        Math.round(tookMs.length / rounds),
        `${((100 * failed) / tookMs.length).toFixed(0)} %`,
        median(slow),
        Math.max(...slow),
        clients + ALLOWANCE,
        ms(percentile(tookMs, 50)),
        ms(percentile(tookMs, 99)),
        ms(slowestMs),
        ms(stallMs),
      ]);
    }
  }
  printTable(
    `Requests of the first ${WATCHED_MS} ms, ${rounds} times; to be at most ${DEADLINE_MS + MARGIN_MS} ms for the slowest`,
    [
      'Redis …',
      'in flight',
      'requests',
      'failed',
      'waited, median',
      'at most',
      'may wait',
      'p50',
      'p99',
      'slowest',
      'longest stall of the process',
    ],
    rows,
  );
  console.log(`\nBeyond these bounds: ${beyond.length === 0 ? 'nothing' : beyond.join('; ')}.`);
  if (beyond.length > 0) process.exitCode = 1;
}

async function measure(target, { url, begin, end, isFromTheStart = false }, clients, rounds) {
  const { ask, untilDecided, close } = await opened(await url(target));
  const figures = { slow: [], failed: 0, tookMs: [], stallMs: 0 };
  for (let i = 0; i < rounds; i++) {
    if (!isFromTheStart) await untilDecided();
    const load = new ClosedLoad(clients, ask);
    if (!isFromTheStart) await sleep(200);
    load.begin();
    await begin(target);
    await sleep(WATCHED_MS);
    const { requests } = load;
    const stallMs = await load.end();
    await end(target);
    const tookMs = requests.map(({ beginMs, endMs }) => endMs - beginMs);
    figures.slow.push(tookMs.filter((each) => each > WAITED_MS).length);
    figures.failed += requests.filter(({ isDecided }) => !isDecided).length;
    figures.tookMs.push(...tookMs);
    figures.stallMs = Math.max(figures.stallMs, stallMs);
  }
  await close();
  return figures;
}
