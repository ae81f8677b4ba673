import type { WindowDefinition } from './window-oracles.js';

const DAY = 86_400;

const SHAPES: readonly (readonly [capacity: number, perSeconds: number])[] = [
  [1, 1],
  [2, 1],
  [3, 7],
  [7, 60],
  [10, 60],
  [100, 60],
  [97, 89],
  [1000, 3600],
  [9999, 3],
  [10_000, DAY],
  [50, 366 * DAY],
  [9973, 366 * DAY],
];

/** What only counters can count: capacities that no log may have, and those that are counted by ms. */
const LARGE: readonly (readonly [capacity: number, perSeconds: number])[] = [
  [1_000_000, 60],
  [2_251_799_813, 1],
  [2 ** 41, 1],
  [100_000, DAY],
  [26_062_497, DAY],
  [71_206, 366 * DAY],
];

/** Limits with sliding windows that rounding gets wrong. */
export const WINDOW_POLICIES: readonly WindowDefinition[] = [
  ...SHAPES.map(([capacity, perSeconds]) => define('sliding-window-log', 'log', capacity, perSeconds)),
  ...[...SHAPES, ...LARGE].map(([capacity, perSeconds]) =>
    define('sliding-window-counter', 'counter', capacity, perSeconds),
  ),
];

function define(algorithm: WindowDefinition['algorithm'], kind: string, capacity: number, perSeconds: number) {
  return { name: `${kind}-${capacity}-per-${perSeconds}`, algorithm, capacity, perSeconds };
}
