import { type Algorithm, ALGORITHMS, DEFAULT_ALGORITHM } from './algorithm.js';
import type { BucketShape, PolicyDefinition } from './bucket-shape.js';
import { describeValue, type Fail, listNames } from './errors.js';
import { checkedInteger, checkedInterval, checkedRefill, MAX_CAPACITY_UNITS } from './policy-checks.js';

/** The numbers of a policy, in the words of Policy. */
export interface PolicyNumbers {
  readonly algorithm: Algorithm;
  readonly capacity: number;
  readonly perSeconds: number;
  readonly quota: number;
  readonly quotaSeconds: number;
  readonly refillTokens: number;
  readonly refillMicros: number;
  readonly intervalMicros: number;
  readonly windowMicros: number;
  readonly tokenUnits: number;
  /** What tells the bucket's state from that of other algorithms; no name of a policy ends so. */
  readonly stateSuffix: string;
}

/** The most tokens of a sliding window log, which keeps every charge of the window. */
export const MAX_LOG_CAPACITY = 10_000;
/** What a sliding window counter counts time by where microseconds would be too fine. */
const COARSE_MICROS = 1000;

/** The numbers that a definition means, checked. */
export function policyNumbers(definition: PolicyDefinition, fail: Fail): PolicyNumbers {
  const algorithm = checkedAlgorithm(definition.algorithm, fail);
  const quota = checkedInteger('capacity', definition.capacity, 1, MAX_CAPACITY_UNITS, fail);
  if (algorithm !== DEFAULT_ALGORITHM) rejectRefill(algorithm, definition, fail);
  if (algorithm === 'sliding-window-log') checkLogCapacity(quota, fail);
  const [tokens, seconds] = checkedRefill(definition, fail);
  const quotaSeconds = definition.perSeconds ?? Math.ceil((quota * seconds) / tokens);
  const numbers = bucketNumbers(algorithm, quota, quotaSeconds, tokens, seconds);
  const capacityUnits = numbers.capacity * numbers.tokenUnits;
  if (capacityUnits > MAX_CAPACITY_UNITS) {
    const isCounter = algorithm === 'sliding-window-counter';
    fail(
      `capacity ${quota} with ${tokens} tokens per ${seconds} s is too fine to count exactly: capacity × period in ` +
        `${isCounter ? 'ms' : 'µs, reduced by the common divisor,'} is ${capacityUnits}; expected at most 2^51`,
      isCounter
        ? 'choose a smaller capacity or a shorter period'
        : 'choose numbers with a common divisor (for example a capacity that divides the period), a smaller capacity or a shorter period',
    );
  }
  const everySeconds = algorithm === 'fixed-window' ? seconds : definition.refillEverySeconds;
  const intervalMicros = checkedInterval(everySeconds, tokens, seconds, fail);
  return intervalMicros === 0 ? numbers : { ...numbers, intervalMicros };
}

function bucketNumbers(
  algorithm: Algorithm,
  quota: number,
  quotaSeconds: number,
  tokens: number,
  seconds: number,
): PolicyNumbers {
  const divisor = greatestCommonDivisor(tokens, seconds * 1_000_000);
  const refillMicros = (seconds * 1_000_000) / divisor;
  const bucket: PolicyNumbers = {
    algorithm,
    capacity: quota,
    perSeconds: quotaSeconds,
    quota,
    quotaSeconds,
    refillTokens: tokens / divisor,
    refillMicros,
    intervalMicros: 0,
    windowMicros: 0,
    tokenUnits: refillMicros,
    stateSuffix: '',
  };
  const windowMicros = seconds * 1_000_000;
  switch (algorithm) {
    case 'leaky-bucket':
      return { ...bucket, capacity: 1, perSeconds: Math.ceil(seconds / tokens) };
    case 'sliding-window-log':
      return { ...bucket, windowMicros, tokenUnits: 1, stateSuffix: '~log' };
    case 'sliding-window-counter': {
      // A token has as many units as its window has moments: so what the window before still counts is a whole number.
      const momentMicros = quota * windowMicros <= MAX_CAPACITY_UNITS ? 1 : COARSE_MICROS;
      const tokenUnits = windowMicros / momentMicros;
      return { ...bucket, windowMicros, tokenUnits, stateSuffix: '~counter' };
    }
    default:
      return bucket;
  }
}

function checkedAlgorithm(algorithm: unknown, fail: Fail): Algorithm {
  if (algorithm === undefined) return DEFAULT_ALGORITHM;
  return (
    ALGORITHMS.find((known) => known === algorithm) ??
    fail(`algorithm is ${describeValue(algorithm)}`, `use one of ${listNames(ALGORITHMS)}`)
  );
}

function rejectRefill(algorithm: Algorithm, definition: PolicyDefinition, fail: Fail): void {
  const given: { [option in keyof BucketShape]: unknown } = definition;
  for (const option of ['refillTokens', 'refillSeconds', 'refillEverySeconds'] as const) {
    if (given[option] === undefined) continue;
    fail(
      `${option} (${describeValue(given[option])}) stands beside algorithm "${algorithm}", which is described by capacity and perSeconds alone`,
      `leave out ${option}, or leave out algorithm for a token bucket`,
    );
  }
}

function checkLogCapacity(capacity: number, fail: Fail): void {
  if (capacity <= MAX_LOG_CAPACITY) return;
  fail(
    `capacity is ${capacity}; expected at most ${MAX_LOG_CAPACITY} with algorithm "sliding-window-log", which keeps every charge of the window`,
    'use "sliding-window-counter", which keeps two numbers at any capacity, or a smaller capacity',
  );
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
