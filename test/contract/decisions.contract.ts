import { Policy } from '../../src/core/policy.js';
import { type Contract, perMinute } from './storage-harness.js';

/** What a bucket admits and when, to the microsecond. */
export function describeDecisions(contract: Contract): void {
  test('a full bucket admits its capacity at once, then one token per interval', async () => {
    const policy = perMinute(3);
    expect(await contract.consume(policy)).toEqual([true, 2, 0, 20_000]);
    expect(await contract.consume(policy)).toEqual([true, 1, 0, 40_000]);
    expect(await contract.consume(policy)).toEqual([true, 0, 0, 60_000]);
    expect(await contract.consume(policy)).toEqual([false, 0, 20_000, 60_000]);
    contract.advanceMs(19_999.999);
    expect(await contract.consume(policy)).toEqual([false, 0, 0.001, 40_000.001]);
    contract.advanceMs(0.001);
    expect(await contract.consume(policy)).toEqual([true, 0, 0, 60_000]);
    contract.advanceMs(3_600_000);
    expect(await contract.consume(policy)).toEqual([true, 2, 0, 20_000]);
  });

  test('a refill that is no whole number of microseconds per token drifts by nothing', async () => {
    const policy = perMinute(7); // a token every 8 571 428 4/7 µs
    expect(await contract.consume(policy, 7)).toEqual([true, 0, 0, 60_000]);
    for (let token = 1; token <= 700; token++) {
      const dueMs = Math.ceil((token * 60_000_000) / 7) / 1000;
      const sinceMs = Math.ceil(((token - 1) * 60_000_000) / 7) / 1000;
      contract.advanceMs(dueMs - sinceMs - 0.001);
      expect((await contract.consume(policy)).slice(0, 3)).toEqual([false, 0, 0.001]);
      contract.advanceMs(0.001);
      expect((await contract.consume(policy)).slice(0, 3)).toEqual([true, 0, 0]);
    }
  });

  test('tokens arrive in steps at whole multiples of the interval', async () => {
    const policy = perMinute(6, { refillEverySeconds: 20 }); // 2 tokens at :00, :20 and :40
    expect(await contract.consume(policy, 5)).toEqual([true, 1, 0, 60_000]);
    contract.advanceMs(19_999.999);
    expect(await contract.consume(policy, 2)).toEqual([false, 1, 0.001, 40_000.001]);
    contract.advanceMs(0.001);
    expect(await contract.consume(policy, 2)).toEqual([true, 1, 0, 60_000]);
    contract.advanceMs(7_000);
    expect(await contract.consume(policy, 1)).toEqual([true, 0, 0, 53_000]);
    expect(await contract.consume(policy, 6)).toEqual([false, 0, 53_000, 53_000]);
    contract.advanceMs(53_000);
    expect(await contract.consume(policy, 6)).toEqual([true, 0, 0, 60_000]);
  });

  test('an interval of the whole period is a fixed window', async () => {
    const policy = perMinute(2, { refillEverySeconds: 60 });
    contract.advanceMs(59_000);
    expect(await contract.consume(policy, 2)).toEqual([true, 0, 0, 1000]);
    expect(await contract.consume(policy, 1)).toEqual([false, 0, 1000, 1000]);
    contract.advanceMs(1000);
    expect(await contract.consume(policy, 2)).toEqual([true, 0, 0, 60_000]);
  });

  test('a cost may be as high as the capacity; a higher one is refused for good and takes nothing', async () => {
    const policy = perMinute(10);
    expect(await contract.consume(policy, 11)).toEqual([false, 10, Infinity, 0]);
    expect(await contract.consume(policy, Number.MAX_SAFE_INTEGER)).toEqual([false, 10, Infinity, 0]);
    expect(await contract.consume(policy, 10)).toEqual([true, 0, 0, 60_000]);
    expect(await contract.consume(policy, 11)).toEqual([false, 0, Infinity, 60_000]);
    contract.advanceMs(59_999.999);
    expect(await contract.consume(policy, 10)).toEqual([false, 9, 0.001, 0.001]);
  });

  test('the largest and the slowest policies that can exist are exact', async () => {
    const slow = new Policy({ name: 'slow', capacity: 50, refillTokens: 1, refillSeconds: 366 * 86_400 });
    const yearMs = 366 * 86_400_000;
    expect(await contract.consume(slow, 50)).toEqual([true, 0, 0, 50 * yearMs]);
    contract.advanceMs(yearMs - 0.001);
    expect((await contract.consume(slow)).slice(0, 3)).toEqual([false, 0, 0.001]);
    contract.advanceMs(0.001);
    expect((await contract.consume(slow)).slice(0, 2)).toEqual([true, 0]);

    const [capacity, refillTokens] = [2 ** 51, 2 ** 31 * 1_000_000]; // 2^31 tokens every µs
    const fast = new Policy({ name: 'fast', capacity, refillTokens, refillSeconds: 1 });
    expect(await contract.consume(fast, capacity)).toEqual([true, 0, 0, 1048.576]);
    contract.advanceMs(524.287);
    expect(await contract.consume(fast, 2 ** 50)).toEqual([false, 2 ** 50 - 2 ** 31, 0.001, 524.289]);
    contract.advanceMs(0.001);
    expect(await contract.consume(fast, 2 ** 50 - 1)).toEqual([true, 1, 0, 1048.576]);
  });
}
