/**
 * How a limit counts. `'token-bucket'`: tokens arrive evenly, or in steps. `'fixed-window'`: all of them arrive at whole
 * multiples of the period of Unix time. `'leaky-bucket'`: one at a time, strictly spaced. `'sliding-window-log'`: no
 * window of the length of the period, wherever it begins, has more than the capacity. `'sliding-window-counter'`: about
 * that, from two numbers.
 */
export type Algorithm =
  'token-bucket' | 'fixed-window' | 'leaky-bucket' | 'sliding-window-log' | 'sliding-window-counter';

/** The algorithm of a limit that names none. */
export const DEFAULT_ALGORITHM: Algorithm = 'token-bucket';

export const ALGORITHMS: readonly Algorithm[] = [
  'token-bucket',
  'fixed-window',
  'leaky-bucket',
  'sliding-window-log',
  'sliding-window-counter',
];

/** Whether it keeps what was taken in the last period, instead of an arrival time. */
export function isSliding(algorithm: Algorithm): boolean {
  return algorithm === 'sliding-window-log' || algorithm === 'sliding-window-counter';
}
