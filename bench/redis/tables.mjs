import { OURS, printTable, thousands } from '../support/table.mjs';
import { medianOf, medianOfPairs } from '../support/turns.mjs';

/** Of each contender what a decision costs; then ours beside each of the others. */
export function printPeers(title, results) {
  printTable(
    title,
    [
      '',
      'decisions/s',
      'CPU µs, Node',
      'CPU µs, Redis',
      'calls',
      'commands',
      'calls/s',
      'commands/s',
      'bytes in',
      'bytes out',
    ],
    results.map((result) => [
      result.name,
      thousands(medianOf(result, 'perSecond')),
      ...['nodeMicros', 'redisMicros'].map((figure) => medianOf(result, figure).toFixed(1)),
      ...['calls', 'commands'].map((figure) => medianOf(result, figure).toFixed(2)),
      ...['callsPerSecond', 'commandsPerSecond'].map((figure) => perSecond(medianOf(result, figure))),
      ...['bytesIn', 'bytesOut'].map((figure) => medianOf(result, figure).toFixed(0)),
    ]),
  );
  const ours = results.find(({ name }) => name === OURS);
  const figures = ['perSecond', 'nodeMicros', 'redisMicros', 'bytesIn'];
  printTable(
    `${OURS} × each of the others`,
    ['', 'decisions/s', 'CPU, Node', 'CPU, Redis', 'bytes in'],
    results
      .filter((result) => result !== ours)
      .map((result) => [result.name, ...figures.map((figure) => timesAsMuch(ours, result, figure))]),
  );
}

/** The median of the ratios within a turn. */
function timesAsMuch(result, other, figure) {
  const ratio = medianOfPairs(result, other, (mine, its) => mine[figure] / its[figure]);
  return Number.isFinite(ratio) ? ratio.toFixed(2) : '';
}

/** @param results of each contender with one limit, and then with three */
export function printLimits(title, results) {
  const rows = [];
  for (let i = 0; i < results.length; i += 2) {
    const [one, three] = results.slice(i, i + 2);
    rows.push([
      one.name,
      timesAsMuch(one, three, 'perSecond'),
      ...['nodeMicros', 'redisMicros', 'bytesIn'].map((figure) => timesAsMuch(three, one, figure)),
      ...['calls', 'commands'].flatMap((figure) => [one, three].map((result) => medianOf(result, figure).toFixed(2))),
    ]);
  }
  printTable(
    title,
    [
      'a decision with 3 limits costs so many times that with one',
      'time',
      'CPU, Node',
      'CPU, Redis',
      'bytes in',
      'calls with 1',
      'with 3',
      'commands with 1',
      'with 3',
    ],
    rows,
  );
}

function perSecond(value) {
  return value < 100 ? value.toFixed(1) : thousands(value);
}
