// Redis is far, and stays so: who is still decided for, and how long that takes.
import { setTimeout as sleep } from 'node:timers/promises';
import { ClosedLoad } from '../redis/closed-load.mjs';
import { percentile } from '../support/measure.mjs';
import { printTable, thousands } from '../support/table.mjs';
import { ms, opened, WAITED_MS } from './target.mjs';

const CLIENTS = 16;
const WATCHED_MS = 3000;

export async function measureFarAway({ proxy }) {
  const rows = [];
  for (const latencyMs of [0, 10, 40, 60, 100, 1000]) {
    const { ask, untilDecided, close } = await opened(proxy.url);
    await untilDecided();
    const load = new ClosedLoad(CLIENTS, ask);
    await sleep(300);
    load.begin();
    proxy.questionDelayMs = latencyMs / 2;
    proxy.answerDelayMs = latencyMs / 2;
    await sleep(WATCHED_MS);
    const { requests } = load;
    await load.end();
    const took = requests.map(({ beginMs, endMs }) => endMs - beginMs);
    const decided = requests.filter(({ isDecided }) => isDecided).length;
    rows.push([
      `${latencyMs} ms`,
      thousands(requests.length),
      `${((100 * decided) / requests.length).toFixed(0)} %`,
      took.filter((each) => each > WAITED_MS).length,
      ms(percentile(took, 50)),
      ms(percentile(took, 99)),
      ms(percentile(took, 100)),
    ]);
    await close();
    proxy.heal();
    proxy.resetAll();
  }
  printTable(
    `Redis is far: the round trip takes so much longer, for ${WATCHED_MS / 1000} s, ${CLIENTS} in flight`,
    ['longer by', 'requests', 'decided by Redis', `above ${WAITED_MS} ms`, 'p50', 'p99', 'slowest'],
    rows,
  );
}
