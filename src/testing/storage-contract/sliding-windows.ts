import { deepEqual, equal, ok } from 'node:assert/strict';
import { ALGORITHMS } from '../../core/algorithm.js';
import { by } from './algorithms.js';
import type { Checks } from './contract.js';
import { givingBackOfWindows, peek } from './sliding-windows-giving-back.js';

const subject = 'user:1';

/** Sliding windows, whose debt alone does not tell when it will be less. */
export const slidingWindows: Checks = {
  'a log admits the capacity in any window, wherever it begins': async (contract) => {
    const policy = by('sliding-window-log', 3);
    await contract.advanceMs(50_000);
    deepEqual(await contract.consume(policy, 2), [true, 1, 0, 60_000]);
    await contract.advanceMs(20_000);
    deepEqual(await contract.consume(policy), [true, 0, 0, 60_000]);
    deepEqual(await contract.consume(policy), [false, 0, 40_000, 60_000]);
    deepEqual(await contract.consume(policy, 3), [false, 0, 60_000, 60_000]);
    deepEqual(await contract.consume(policy, 4), [false, 0, Infinity, 60_000]);
    await contract.advanceMs(39_999.999);
    deepEqual(await contract.consume(policy), [false, 0, 0.001, 20_000.001]);
    await contract.advanceMs(0.001);
    deepEqual(await contract.consume(policy), [true, 1, 0, 60_000]);
  },

  'a log says when the next token comes, and what those that are left are worth': async (contract) => {
    const policy = by('sliding-window-log', 4);
    await contract.consume(policy, 2);
    await contract.advanceMs(15_000);
    const { policies } = await contract.limiter.consume({ policy, subject });
    deepEqual([policies[0]!.nextTokenAfterMs, policies[0]!.tokensWorthMs], [45_000, 15_000]);
  },

  'counters weigh the window before by what is still covered of it': async (contract) => {
    const policy = by('sliding-window-counter', 6);
    await contract.advanceMs(59_000);
    deepEqual(await contract.consume(policy, 6), [true, 0, 0, 61_000]);
    deepEqual(await contract.consume(policy), [false, 0, 11_000, 61_000]);
    await contract.advanceMs(10_999.999);
    deepEqual(await contract.consume(policy), [false, 0, 0.001, 50_000.001]);
    await contract.advanceMs(0.001);
    deepEqual(await contract.consume(policy), [true, 0, 0, 110_000]);
    await contract.advanceMs(35_000); // 45 s into the second minute: 6 · 15/60 + 1
    deepEqual(await contract.consume(policy, 4), [false, 3, 5000, 75_000]);
    deepEqual(await contract.consume(policy, 3), [true, 0, 0, 75_000]);
  },

  'counters of long windows and large capacities are exact to the ms': async (contract) => {
    const policy = by('sliding-window-counter', 1_000_000, 'day', 86_400);
    deepEqual((await contract.consume(policy, 1_000_000)).slice(0, 2), [true, 0]);
    const waitMs = (await contract.consume(policy))[2];
    await contract.advanceMs(waitMs - 0.001);
    deepEqual((await contract.consume(policy)).slice(0, 3), [false, 0, 0.001]);
    await contract.advanceMs(0.001);
    equal((await contract.consume(policy))[0], true);
  },

  'a denial changes no byte, and a peek does not': async (contract) => {
    for (const algorithm of ['sliding-window-log', 'sliding-window-counter'] as const) {
      const policy = by(algorithm, 5);
      const empty = await contract.state();
      deepEqual(await contract.consume(policy, 6), [false, 5, Infinity, 0]);
      equal(await contract.state(), empty);
      await contract.consume(policy, 2);
      await contract.advanceMs(50_000);
      await contract.consume(policy, 2);
      const state = await contract.state();
      // In the same minute, and in the next, when the first charge does not count any more.
      for (const laterMs of [1000, 30_000]) {
        await contract.advanceMs(laterMs);
        const told = await peek(contract, policy, 5);
        deepEqual(await contract.consume(policy, 5), told);
        deepEqual(await contract.consume(policy, 6), [false, told[1], Infinity, told[3]]);
        equal(told[0], false);
        equal(await contract.state(), state);
      }
      await contract.advanceMs(39_000); // to the start of a minute
    }
  },

  ...givingBackOfWindows,

  'a reset forgets them': async (contract) => {
    for (const algorithm of ['sliding-window-log', 'sliding-window-counter'] as const) {
      const policy = by(algorithm, 5);
      await contract.consume(policy, 5);
      await contract.limiter.reset({ policy, subject });
      equal(await contract.state(), '');
      equal((await contract.consume(policy, 5))[0], true);
      await contract.limiter.reset({ policy, subject });
    }
  },

  'a window of another length counts what still counts': async (contract) => {
    const minute = (capacity: number) => by('sliding-window-log', capacity);
    await contract.consume(minute(5), 3);
    await contract.advanceMs(30_000);
    equal((await contract.consume(minute(8), 2))[1], 3);
    deepEqual(await contract.consume(minute(4)), [false, 0, 30_000, 60_000]);
    const counters = (perSeconds: number) => by('sliding-window-counter', 10, 'counters', perSeconds);
    await contract.consume(counters(60), 4);
    await contract.advanceMs(40_000);
    await contract.consume(counters(60), 2);
    equal((await peek(contract, counters(300)))[1], 4);
    equal((await contract.consume(counters(300), 1))[1], 3);
  },

  'all algorithms are decided about together: all or none': async (contract) => {
    const policies = ALGORITHMS.map((algorithm, i) => by(algorithm, 2 + i, `limit-${i}`));
    const charges = policies.map((policy, i) => ({ policy, subject: i % 2 === 0 ? subject : 'ip:203.0.113.7' }));
    const first = await contract.limiter.consume(charges);
    deepEqual([first.allowed, first.policies.map(({ remaining }) => remaining)], [true, [1, 2, 0, 4, 5]]);
    await contract.advanceMs(30_000);
    for (let refusing = 0; refusing < policies.length; refusing++) {
      const { remaining } = (await contract.limiter.peek(charges)).policies[refusing]!;
      await contract.limiter.reset(charges[refusing]!);
      await contract.limiter.consume({ ...charges[refusing]!, cost: policies[refusing]!.capacity });
      ok(remaining >= 0);
      const state = await contract.state();
      const denied = await contract.limiter.consume(charges);
      equal(denied.allowed, false);
      deepEqual(
        denied.policies.map(({ allowed }) => allowed),
        policies.map((_, i) => i !== refusing),
      );
      equal(await contract.state(), state);
      await contract.limiter.reset(charges[refusing]!);
    }
    equal((await contract.limiter.consume(charges)).allowed, true);
  },

  'one that changes its algorithm begins anew, and neither meets the state of the other': async (contract) => {
    for (const algorithm of ['sliding-window-log', 'sliding-window-counter', 'token-bucket'] as const) {
      const policy = by(algorithm, 5);
      deepEqual((await contract.consume(policy, 5)).slice(0, 2), [true, 0]);
    }
    for (const algorithm of ['sliding-window-log', 'sliding-window-counter', 'token-bucket'] as const) {
      equal((await contract.consume(by(algorithm, 5)))[0], false);
    }
  },
};

/** Debt from elsewhere, in sliding windows. */
export const owingOfWindows: Checks = {
  'a bucket is not made to owe more than it may, and what it owes already is never lowered': async (contract) => {
    for (const algorithm of ALGORITHMS) {
      const policy = by(algorithm, 6, `limit-${algorithm}`);
      const { tokenUnits, capacity } = policy;
      const owe = async (tokens: number, most: number) =>
        contract.storage.owe([
          { policy, subject, debtUnits: tokens * tokenUnits, mostUnits: (capacity + most) * tokenUnits },
        ]);
      const owed = async () =>
        (await contract.storage.peek([{ policy, subject, cost: 1 }])).debtUnits[0]! / tokenUnits - capacity;
      await contract.consume(policy);
      await owe(100, 3);
      equal(await owed(), 3);
      await owe(1, 5);
      equal(await owed(), 4);
      await owe(100, 2);
      equal(await owed(), 4);
    }
  },

  'sliding windows owe whole tokens, from now on': async (contract) => {
    for (const algorithm of ['sliding-window-log', 'sliding-window-counter'] as const) {
      const policy = by(algorithm, 6);
      await contract.consume(policy, 2);
      await contract.advanceMs(30_000);
      const debtUnits = 2 * policy.tokenUnits + (policy.tokenUnits > 1 ? 1 : 0);
      await contract.storage.owe([{ policy, subject, debtUnits }]);
      equal((await peek(contract, policy))[1], policy.tokenUnits > 1 ? 1 : 2);
      await contract.storage.owe([{ policy, subject, debtUnits: 5 * policy.tokenUnits }]);
      const [allowed, remaining, retryAfterMs] = await contract.consume(policy);
      deepEqual([allowed, remaining], [false, 0]);
      await contract.advanceMs(retryAfterMs - 0.001);
      equal((await contract.consume(policy))[0], false);
      await contract.advanceMs(0.001);
      equal((await contract.consume(policy))[0], true);
    }
  },
};
