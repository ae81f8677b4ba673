import { isCost } from '../core/charge.js';
import { describeValue, InvalidChargeError, misconfigured } from '../core/errors.js';
import type { Policy } from '../core/policy.js';
import type { CostFunction } from './limit-definition.js';

/**
 * @param policies all that take the cost, as far as they are known
 * @param of what a function in its place is given, for messages
 * @throws RateLimitConfigurationError for a number that no request could pay.
 */
export function checkedCost<F = CostFunction>(
  cost: number | F | undefined,
  policies: readonly Policy[],
  where: string,
  of = 'the execution context',
): number | F {
  if (typeof cost === 'function') return cost;
  if (!isCost(cost)) {
    misconfigured(
      where,
      `cost is ${describeValue(cost)}`,
      `write a whole number of tokens, at least 1, or a function of ${of}`,
    );
  }
  const tooSmall = policies.find(({ capacity }) => cost > capacity);
  if (tooSmall !== undefined) {
    if (tooSmall.algorithm === 'leaky-bucket') {
      misconfigured(
        where,
        `cost is ${cost}, and a leaky bucket gives one token at a time`,
        'use cost 1 or another algorithm',
      );
    }
    misconfigured(
      where,
      `cost ${cost} is above the capacity ${tooSmall.capacity} of policy "${tooSmall.name}", so every request would be refused`,
      'lower the cost or raise the capacity',
    );
  }
  return cost;
}

/**
 * What a function in its place gave: `undefined` is no default there, because it comes of a mistake.
 * @param asked what it gave that for
 * @throws InvalidChargeError for what is no number of tokens
 */
export function checkedAnswer(cost: unknown, where: string, asked: string): number {
  if (isCost(cost)) return cost;
  throw new InvalidChargeError(
    `${where}: cost gave ${describeValue(cost)} for ${asked}; expected a whole number of tokens, at least 1. ` +
      'Remedy: make it give one whatever it is asked with.',
  );
}
