import type { PolicyDefinition } from '../../../src/core/bucket-shape.js';

const DAY = 86_400;
const YEAR = 366 * DAY;

/** Limits that rounding gets wrong: primes, coprime pairs, the largest and the smallest of everything. */
export const EVEN_POLICIES: readonly PolicyDefinition[] = [
  { name: 'seven-a-minute', capacity: 7, perSeconds: 60 },
  { name: 'thirty-thousand-a-second', capacity: 30_000, perSeconds: 1 },
  { name: 'prime-a-second', capacity: 999_983, perSeconds: 1 },
  { name: 'one-in-366-days', capacity: 1, perSeconds: YEAR },
  { name: 'one-a-second', capacity: 1, perSeconds: 1 },
  { name: 'two-to-the-31-a-minute', capacity: 2 ** 31, perSeconds: 60 },
  { name: 'two-to-the-31-at-one-a-second', capacity: 2 ** 31, refillTokens: 1, refillSeconds: 1 },
  { name: 'ten-with-two-a-second', capacity: 10, refillTokens: 2, refillSeconds: 1 },
  { name: 'coprime-97-89', capacity: 97, perSeconds: 89 },
  { name: 'coprime-101-103', capacity: 101, perSeconds: 103 },
  { name: 'coprime-8191-127', capacity: 8191, perSeconds: 127 },
  { name: 'coprime-65537-257', capacity: 65_537, perSeconds: 257 },
  { name: 'coprime-three-ways', capacity: 13, refillTokens: 7, refillSeconds: 11 },
  { name: 'a-hundred-a-minute', capacity: 100, perSeconds: 60 },
  { name: 'five-thousand-an-hour', capacity: 5000, perSeconds: 3600 },
  { name: 'a-thousand-a-day', capacity: 1000, perSeconds: DAY },
  { name: 'three-in-ten-seconds', capacity: 3, perSeconds: 10 },
  { name: 'a-million-a-second', capacity: 1_000_000, perSeconds: 1 },
  { name: 'two-a-microsecond', capacity: 2_000_000, perSeconds: 1 },
  { name: 'three-million-in-seven-seconds', capacity: 3_000_000, perSeconds: 7 },
  { name: 'ten-in-366-days', capacity: 10, perSeconds: YEAR },
  { name: 'eleven-in-366-days', capacity: 11, perSeconds: YEAR },
  { name: 'one-at-a-thousand-a-second', capacity: 1, refillTokens: 1000, refillSeconds: 1 },
  { name: 'one-at-a-prime-a-second', capacity: 1, refillTokens: 999_983, refillSeconds: 1 },
  { name: 'five-at-a-prime-in-366-days', capacity: 5, refillTokens: 7919, refillSeconds: YEAR },
  { name: 'most-units-there-can-be', capacity: 2_251_799_813, refillTokens: 1, refillSeconds: 1 },
  { name: 'most-tokens-there-can-be', capacity: 2 ** 51, refillTokens: 1_000_000, refillSeconds: 1 },
];

/** Limits whose tokens arrive in steps. */
export const STEPPED_POLICIES: readonly PolicyDefinition[] = [
  { name: 'window-of-a-minute', capacity: 100, perSeconds: 60, refillEverySeconds: 60 },
  { name: 'five-every-three-seconds', capacity: 100, perSeconds: 60, refillEverySeconds: 3 },
  { name: 'one-every-second', capacity: 60, perSeconds: 60, refillEverySeconds: 1 },
  { name: 'ten-with-two-every-second', capacity: 10, refillTokens: 2, refillSeconds: 1, refillEverySeconds: 1 },
  { name: 'five-every-18-seconds', capacity: 1000, perSeconds: 3600, refillEverySeconds: 18 },
  { name: 'seven-every-seven-seconds', capacity: 7, perSeconds: 7, refillEverySeconds: 7 },
  { name: 'one-every-day', capacity: 1, perSeconds: DAY, refillEverySeconds: DAY },
  { name: 'two-every-four-seconds', capacity: 12, refillTokens: 5, refillSeconds: 10, refillEverySeconds: 4 },
  { name: 'more-a-step-than-it-holds', capacity: 3, refillTokens: 5, refillSeconds: 1, refillEverySeconds: 1 },
  { name: 'a-prime-every-second', capacity: 999_983, perSeconds: 1, refillEverySeconds: 1 },
  { name: 'one-every-hour', capacity: 24, perSeconds: DAY, refillEverySeconds: 3600 },
  { name: 'window-of-366-days', capacity: 50, perSeconds: YEAR, refillEverySeconds: YEAR },
  { name: 'step-beyond-the-period', capacity: 4, refillTokens: 3, refillSeconds: 2, refillEverySeconds: 10 },
];

export const AWKWARD_POLICIES: readonly PolicyDefinition[] = [...EVEN_POLICIES, ...STEPPED_POLICIES];
