// The core without HTTP: what one decision in memory costs, against the least it could cost and against the memory
// limiters of peers, and what a key costs in memory.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import os from 'node:os';
import { machine, printTable, thousands } from './support/table.mjs';

function inProcessOfItsOwn(script, ...args) {
  const file = join(import.meta.dirname, 'support', script);
  return JSON.parse(execFileSync(process.execPath, ['--expose-gc', file, ...args.map(String)], { encoding: 'utf8' }));
}

const CASES = [
  { title: '10 000 keys in random order, capacity 10 000: all allowed', keys: 10_000, limit: 10_000, slice: 400_000 },
  { title: 'one key, all denied', keys: 1, limit: 5, slice: 400_000 },
  { title: '1 000 000 keys in random order: all allowed', keys: 1_000_000, limit: 10_000, slice: 200_000 },
];

console.log(machine(os));
for (const { title, keys, limit, slice } of CASES) {
  const results = inProcessOfItsOwn('throughput.mjs', keys, limit, slice);
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
