import { describeValue, misconfigured } from '../core/errors.js';
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
  if (typeof cost !== 'number' || !Number.isSafeInteger(cost) || cost < 1) {
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
