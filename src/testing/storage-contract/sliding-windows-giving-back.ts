import { deepEqual, equal } from 'node:assert/strict';
import type { Policy } from '../../core/policy.js';
import { by } from './algorithms.js';
import type { Checks, Contract } from './contract.js';

const subject = 'user:1';

/** What one who asks would be told, in the numbers that clients see. */
export async function peek(
  { limiter }: Contract,
  policy: Policy,
  cost = 1,
): Promise<[boolean, number, number, number]> {
  const { allowed, remaining, retryAfterMs, resetAfterMs } = await limiter.peek({ policy, subject, cost });
  return [allowed, remaining, retryAfterMs, resetAfterMs];
}

/** Refunds and grants of sliding windows, which know when what they count was taken. */
export const givingBackOfWindows: Checks = {
  'what is given back was never taken, as long as it counts': async (contract) => {
    for (const algorithm of ['sliding-window-log', 'sliding-window-counter'] as const) {
      const policy = by(algorithm, 10);
      const first = await contract.take({ policy, subject, cost: 3 });
      await contract.advanceMs(20_000);
      const before = await contract.take({ policy, subject, cost: 4 });
      await contract.advanceMs(30_000);
      await contract.limiter.refund(first);
      deepEqual((await peek(contract, policy)).slice(0, 2), [true, 6]);
      await contract.advanceMs(130_000); // out of the window, and of the one before
      const last = await contract.take({ policy, subject, cost: 1 });
      await contract.limiter.refund(before);
      equal((await peek(contract, policy))[1], 9);
      await contract.limiter.refund(last);
      equal(await contract.state(), '');
      deepEqual(await peek(contract, policy, 10), [true, 10, 0, 0]);
    }
  },

  'a refund in the middle leaves what was taken before and after': async (contract) => {
    const policy = by('sliding-window-log', 10);
    const receipts = [];
    for (const cost of [1, 2, 3]) {
      receipts.push(await contract.take({ policy, subject, cost }));
      await contract.advanceMs(10_000);
    }
    await contract.limiter.refund(receipts[1]!);
    deepEqual(await peek(contract, policy, 7), [false, 6, 30_000, 50_000]);
    deepEqual(await peek(contract, policy, 8), [false, 6, 50_000, 50_000]);
    await contract.limiter.refund(receipts[2]!);
    deepEqual(await peek(contract, policy, 10), [false, 9, 30_000, 30_000]);
  },

  'a grant takes the oldest charges of a log out that still count': async (contract) => {
    const policy = by('sliding-window-log', 10);
    for (const cost of [3, 4, 3]) {
      await contract.consume(policy, cost);
      await contract.advanceMs(10_000);
    }
    await contract.advanceMs(35_000); // the first 3 have left, the others leave after 5 s and after 15 s
    deepEqual(await peek(contract, policy, 4), [false, 3, 5000, 15_000]);
    await contract.limiter.grant({ policy, subject }, 2);
    deepEqual(await peek(contract, policy, 8), [false, 5, 15_000, 15_000]);
    deepEqual(await contract.consume(policy, 5), [true, 0, 0, 60_000]);
    deepEqual(await contract.consume(policy, 1), [false, 0, 5000, 60_000]);
    await contract.limiter.grant({ policy, subject }, 4);
    deepEqual(await peek(contract, policy, 5), [false, 4, 15_000, 60_000]);
    await contract.limiter.grant({ policy, subject }, 10);
    equal(await contract.state(), '');
    deepEqual(await contract.consume(policy, 10), [true, 0, 0, 60_000]);
  },

  'a grant to counters is whole tokens at once, and no further than empty': async (contract) => {
    const policy = by('sliding-window-counter', 10);
    await contract.consume(policy, 8);
    await contract.advanceMs(75_000); // 15 s into the next minute: 8 · 45/60 = 6
    deepEqual(await contract.consume(policy, 4), [true, 0, 0, 105_000]);
    await contract.limiter.grant({ policy, subject }, 7); // 8 · 45/60 + 4 − 7 = 3, and −3 of this minute
    deepEqual(await peek(contract, policy, 8), [false, 7, 7500, 22_500]);
    await contract.advanceMs(22_499.999);
    deepEqual(await peek(contract, policy, 10), [false, 9, 0.001, 0.001]);
    await contract.advanceMs(0.001); // what was granted is used up by now, and 10 are all there is
    deepEqual(await contract.consume(policy, 10), [true, 0, 0, 82_500]);
    await contract.limiter.grant({ policy, subject }, 10);
    equal(await contract.state(), '');
  },

  'charges of before and after a grant are given back as any others': async (contract) => {
    // Each when what was taken first counts in full, and is what is granted for.
    for (const [algorithm, afterMs] of [
      ['sliding-window-log', 30_000],
      ['sliding-window-counter', 60_000],
    ] as const) {
      const policy = by(algorithm, 10);
      const remaining = async () => (await peek(contract, policy))[1];
      await contract.consume(policy, 4);
      await contract.advanceMs(afterMs);
      const before = await contract.take({ policy, subject, cost: 3 });
      await contract.limiter.grant({ policy, subject }, 2);
      const after = await contract.take({ policy, subject, cost: 5 });
      equal(await remaining(), 0);
      await contract.limiter.refund(after);
      equal(await remaining(), 5);
      await contract.limiter.refund(before);
      equal(await remaining(), 8);
      await contract.advanceMs(120_000 - afterMs);
    }
  },
};
