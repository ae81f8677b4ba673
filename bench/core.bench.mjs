// The core without HTTP: what one decision in memory costs, against the least it could cost and against the memory
// limiters of peers, and what a key costs in memory. With `--against <dist/esm of another build>` only that: how much
// longer a decision takes than it takes there.
import os from 'node:os';
import { median } from './support/measure.mjs';
import { readOptions } from './support/options.mjs';
import { buildIn } from './support/other-build.mjs';
import { inProcessOfItsOwn } from './support/own-process.mjs';
import { machine, printTable, thousands } from './support/table.mjs';

const CASES = [
  { title: '10 000 keys in random order, capacity 10 000: all allowed', keys: 10_000, limit: 10_000, slice: 400_000 },
  { title: 'one key, all denied', keys: 1, limit: 5, slice: 400_000 },
  { title: '1 000 000 keys in random order: all allowed', keys: 1_000_000, limit: 10_000, slice: 200_000 },
];

/** Starts of each pair: luck with compiler and memory differs from start to start more than from turn to turn. */
const STARTS = 6;
const { rounds, isWanted, against } = readOptions(41, { against: { type: 'string' } });
const cases = CASES.filter(isWanted);

console.log(machine(os));
if (against === undefined) {
  compareWithPeers();
  measureBytes();
} else {
  const build = buildIn(against);
  if (build !== undefined) compareWithBuild(build);
  else {
    console.error(`--against is "${against}", which holds no index.js; name the dist/esm of a build.`);
    process.exitCode = 1;
  }
}

function compareWithPeers() {
  for (const { title, keys, limit, slice } of cases) {
    const results = inProcessOfItsOwn('throughput.mjs', keys, limit, slice, rounds);
    printTable(
      title,
      ['', 'decisions/s', 'CPU ns each', '× floor', '× nestjs-token-bucket'],
      results.map(({ name, nanos, cpuNanos, toFloor, toUs }) => [
        name,
        thousands(1e9 / nanos),
        thousands(cpuNanos),
        toFloor?.toFixed(2) ?? '',
        toUs.toFixed(2),
      ]),
    );
  }
}

function measureBytes() {
  printTable(
    'Memory of 1 000 000 keys, and the time to add one',
    ['refill', 'bytes a key beyond its text', 'bytes of its text', 'median ns', 'p99 ns', 'worst ms'],
    [
      ['whole µs a token', 60],
      ['with remainders', 7],
    ].map(([refill, capacity]) => {
      const { bytesPerKey, bytesPerText, ...insert } = inProcessOfItsOwn('bytes-per-key.mjs', capacity);
      return [
        refill,
        (bytesPerKey - bytesPerText).toFixed(1),
        bytesPerText.toFixed(1),
        thousands(insert.insertMedianNanos),
        thousands(insert.insertP99Nanos),
        (insert.insertWorstNanos / 1e6).toFixed(1),
      ];
    }),
  );
}

function compareWithBuild(build) {
  const rows = cases.map(({ title, keys, limit, slice }) => {
    const starts = Array.from({ length: STARTS }, (_, start) => {
      const first = start % 2 === 0 ? 'this' : 'other';
      return inProcessOfItsOwn('against.mjs', keys, limit, slice, rounds, build, first);
    });
    const all = (figure) => starts.map((start) => start[figure]);
    const ratios = all('ratio');
    return [
      title,
      thousands(median(all('otherNanos'))),
      thousands(median(all('nanos'))),
      median(ratios).toFixed(2),
      `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`,
      median(all('cpuRatio')).toFixed(2),
    ];
  });
  printTable(
    `A decision beside that of ${against}, ${STARTS} starts`,
    ['', 'ns there', 'ns here', 'here ÷ there', 'lowest to highest', 'of CPU'],
    rows,
  );
}
