import type { PolicyDefinition } from '../../src/core/bucket-shape.js';
import { Policy } from '../../src/core/policy.js';

const DAY = 86_400;

const DEFINITIONS: readonly PolicyDefinition[] = [
  { capacity: 100, perSeconds: 60 },
  { capacity: 7, perSeconds: 60 },
  { capacity: 1, perSeconds: 1 },
  { capacity: 1, perSeconds: 7 },
  { capacity: 3, refillTokens: 7, refillSeconds: 11 },
  { capacity: 30_000, perSeconds: 1 },
  { capacity: 999_983, perSeconds: 1 },
  { capacity: 50, refillTokens: 999_983, refillSeconds: 1 },
  { capacity: 5, refillTokens: 1, refillSeconds: 366 * DAY },
  { capacity: 1000, perSeconds: 3600 },
  { capacity: 3, perSeconds: DAY },
  { capacity: 2 ** 40, refillTokens: 2 ** 20 * 1_000_000, refillSeconds: 1 },
  { capacity: 6, perSeconds: 60, refillEverySeconds: 20 },
  { capacity: 100, perSeconds: 60, refillEverySeconds: 60 },
  { capacity: 77, refillTokens: 7, refillSeconds: 7, refillEverySeconds: 3 },
  { capacity: 10, refillTokens: 35, refillSeconds: 60, refillEverySeconds: 12 },
  { capacity: 24, perSeconds: DAY, refillEverySeconds: 3600 },
];

const WINDOWS: readonly PolicyDefinition[] = (
  [
    [1, 1],
    [3, 7],
    [7, 60],
    [100, 60],
    [9973, DAY],
    [10_000, 366 * DAY],
  ] as const
).flatMap(([capacity, perSeconds]) => [
  { capacity, perSeconds, algorithm: 'sliding-window-log' },
  { capacity, perSeconds, algorithm: 'sliding-window-counter' },
]);

const OTHERS: readonly PolicyDefinition[] = [
  { capacity: 100, perSeconds: 60, algorithm: 'fixed-window' },
  { capacity: 7, perSeconds: 60, algorithm: 'leaky-bucket' },
  { capacity: 2_000_000_000, perSeconds: 3, algorithm: 'sliding-window-counter' },
  { capacity: 20_000_000, perSeconds: DAY, algorithm: 'sliding-window-counter' },
];

/** Policies of the other algorithms, most of them with sliding windows. */
export function otherAlgorithms(): readonly Policy[] {
  return [...WINDOWS, ...OTHERS].map((definition, i) => new Policy({ ...definition, name: `other-${i}` }));
}

/** Policies whose refill is a remainder's, a microsecond's or a year's worth; the last few refill in steps. */
export function awkwardPolicies(): readonly Policy[] {
  return DEFINITIONS.map((definition, i) => new Policy({ ...definition, name: `awkward-${i}` }));
}
