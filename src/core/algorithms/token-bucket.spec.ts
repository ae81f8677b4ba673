import { Policy } from '../policy.js';
import {
  arrivalMicros,
  arrivalRemainder,
  costUnits,
  debtUnits,
  refundUnits,
  remainingTokens,
  tickMicros,
  waitMicros,
} from './token-bucket.js';

const NOW = 1_800_000_000_250_000;
/** One token a second: a token is 10^6 units, and a unit drains every µs. */
const even = new Policy({ capacity: 10, refillTokens: 1, refillSeconds: 1 });
/** Three tokens a second: three units drain every µs. */
const thirds = new Policy({ capacity: 10, refillTokens: 3, refillSeconds: 1 });
/** Five tokens every five seconds, at once. */
const stepped = new Policy({ capacity: 10, refillTokens: 1, refillSeconds: 1, refillEverySeconds: 5 });

it('the tick is now, or the start of the interval', () => {
  expect(tickMicros(even, NOW)).toBe(NOW);
  expect(tickMicros(stepped, NOW)).toBe(1_800_000_000_000_000);
  expect(tickMicros(stepped, 1_800_000_004_999_999)).toBe(1_800_000_000_000_000);
  expect(tickMicros(stepped, 1_800_000_005_000_000)).toBe(1_800_000_005_000_000);
});

it('debt is what the arrival time lies ahead, also beyond an empty bucket', () => {
  expect(debtUnits(even, NOW - 1, 0, NOW)).toBe(0);
  expect(debtUnits(even, NOW, 0, NOW)).toBe(0);
  expect(debtUnits(even, NOW + 7, 0, NOW)).toBe(7);
  expect(debtUnits(even, NOW + 10_000_000, 0, NOW)).toBe(even.capacityUnits);
  expect(debtUnits(even, NOW + 10_000_001, 0, NOW)).toBe(even.capacityUnits + 1);
  expect(debtUnits(even, Number.MAX_SAFE_INTEGER, 0, 0)).toBe(2 ** 52);
  expect(debtUnits(thirds, NOW + 7, 2, NOW)).toBe(23);
  expect(debtUnits(thirds, NOW, 2, NOW)).toBe(2);
  expect(debtUnits(thirds, NOW + Math.floor(thirds.capacityUnits / thirds.refillTokens), 2, NOW)).toBe(
    thirds.capacityUnits + 1,
  );
});

it.each([0, 1, 2, 3, 22, 23, 9_999_999, 10_000_000])('%d units are stored without loss', (debt) => {
  for (const policy of [even, thirds]) {
    const remainder = arrivalRemainder(policy, debt);
    expect(debtUnits(policy, arrivalMicros(policy, NOW, debt), remainder, NOW)).toBe(debt);
    expect(remainder).toBeLessThan(policy.refillTokens);
  }
});

it('a cost is its tokens in units; above the capacity it is just too much, and exact', () => {
  expect(costUnits(even, 1)).toBe(1_000_000);
  expect(costUnits(even, 10)).toBe(even.capacityUnits);
  expect(costUnits(even, 11)).toBe(11_000_000);
  expect(costUnits(even, Number.MAX_SAFE_INTEGER)).toBe(11_000_000);
});

it('what is left is counted in whole tokens', () => {
  expect(remainingTokens(even, 0)).toBe(10);
  expect(remainingTokens(even, 1)).toBe(9);
  expect(remainingTokens(even, 9_000_001)).toBe(0);
  expect(remainingTokens(even, even.capacityUnits)).toBe(0);
});

it('a wait is the least number of µs, on the grid of the interval if there is one', () => {
  expect(waitMicros(even, NOW, -5)).toBe(0);
  expect(waitMicros(even, NOW, 0)).toBe(0);
  expect(waitMicros(even, NOW, 7)).toBe(7);
  expect(waitMicros(thirds, NOW, 7)).toBe(3);
  expect(waitMicros(thirds, NOW, 9)).toBe(3);
  expect(waitMicros(stepped, NOW, 1)).toBe(4_750_000);
  expect(waitMicros(stepped, NOW, 5_000_000)).toBe(4_750_000);
  expect(waitMicros(stepped, NOW, 5_000_001)).toBe(9_750_000);
});

it('a refund is the cost less what has drained since, and never less than nothing', () => {
  expect(refundUnits(even, 2, NOW, NOW)).toBe(2_000_000);
  expect(refundUnits(even, 2, NOW, NOW + 500_000)).toBe(1_500_000);
  expect(refundUnits(even, 2, NOW, NOW + 2_000_000)).toBe(0);
  expect(refundUnits(even, 2, 0, NOW)).toBe(0);
  // A clock that was turned back cannot have drained anything.
  expect(refundUnits(even, 2, NOW, NOW - 1)).toBe(2_000_000);
  expect(refundUnits(thirds, 1, NOW, NOW + 100_000)).toBe(700_000);
  expect(refundUnits(stepped, 7, NOW, NOW + 4_700_000)).toBe(7_000_000);
  expect(refundUnits(stepped, 7, NOW, NOW + 4_750_000)).toBe(2_000_000);
});
