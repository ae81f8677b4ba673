import { deepEqual, equal } from 'node:assert/strict';
import type { Policy } from '../../core/policy.js';
import { type Checks, type Contract, perMinute } from './contract.js';

const subject = 'user:1';

const owe = async ({ storage }: Contract, policy: Policy, tokens: number, who = subject): Promise<void> =>
  storage.owe([{ policy, subject: who, debtUnits: tokens * policy.refillMicros }]);

/** No more than `most` tokens are to be owed then. */
const oweUpTo = async ({ storage }: Contract, policy: Policy, tokens: number, most: number): Promise<void> => {
  const [debtUnits, mostUnits] = [tokens * policy.refillMicros, most * policy.refillMicros];
  return storage.owe([{ policy, subject, debtUnits, mostUnits }]);
};

/** Debt from elsewhere: what was given out while the storage was away. */
export const owing: Checks = {
  'what is owed comes on top of what a bucket owes already, and drains as that does': async (contract) => {
    const policy = perMinute(6); // a token every 10 s
    await contract.consume(policy, 2);
    await owe(contract, policy, 3);
    deepEqual(await contract.consume(policy, 2), [false, 1, 10_000, 50_000]);
    await contract.advanceMs(9_999.999);
    deepEqual(await contract.consume(policy, 2), [false, 1, 0.001, 40_000.001]);
    await contract.advanceMs(0.001);
    deepEqual(await contract.consume(policy, 2), [true, 0, 0, 60_000]);
  },

  'a bucket that is full, or was never asked about, owes it from now on': async (contract) => {
    const policy = perMinute(6);
    await owe(contract, policy, 4);
    equal((await contract.limiter.peek({ policy, subject })).remaining, 2);
    await contract.consume(policy, 6, 'user:2');
    await contract.advanceMs(60_000);
    await owe(contract, policy, 1, 'user:2');
    deepEqual(await contract.consume(policy, 5, 'user:2'), [true, 0, 0, 60_000]);
  },

  'a bucket may owe more than it holds, and gives nothing until that is paid': async (contract) => {
    const policy = perMinute(6);
    await contract.consume(policy, 6);
    await owe(contract, policy, 6);
    await owe(contract, policy, 3);
    deepEqual(await contract.consume(policy), [false, 0, 100_000, 150_000]);
    await contract.advanceMs(99_999.999);
    deepEqual(await contract.consume(policy), [false, 0, 0.001, 50_000.001]);
    await contract.advanceMs(0.001);
    deepEqual(await contract.consume(policy), [true, 0, 0, 60_000]);
  },

  'what is owed up to a bound is not more than that, nor does it forgive anything': async (contract) => {
    const policy = perMinute(6);
    const owed = async () =>
      (await contract.storage.peek([{ policy, subject, cost: 1 }])).debtUnits[0]! / policy.tokenUnits;
    await oweUpTo(contract, policy, 4, 9);
    equal(await owed(), 4);
    await oweUpTo(contract, policy, 7, 9);
    equal(await owed(), 9);
    await oweUpTo(contract, policy, 3, 5);
    equal(await owed(), 9);
    await contract.advanceMs(50_000);
    await oweUpTo(contract, policy, 3, 5);
    equal(await owed(), 5);
  },

  'the debts of several buckets are their own, and no others': async (contract) => {
    const [a, b] = [perMinute(6), perMinute(10, { name: 'other' })];
    await contract.storage.owe([
      { policy: a, subject, debtUnits: 2 * a.refillMicros },
      { policy: b, subject, debtUnits: 7 * b.refillMicros },
      { policy: a, subject: 'user:2', debtUnits: 5 * a.refillMicros },
    ]);
    const left = async (policy: Policy, who: string) =>
      (await contract.limiter.peek({ policy, subject: who })).remaining;
    equal(await left(a, subject), 4);
    equal(await left(b, subject), 3);
    equal(await left(a, 'user:2'), 1);
    equal(await left(b, 'user:2'), 10);
    equal(await left(a, 'user:3'), 6);
  },

  'parts of a token are owed exactly': async (contract) => {
    const policy = perMinute(7); // 7 units drain in a microsecond
    await contract.storage.owe([{ policy, subject, debtUnits: 1 }]);
    equal((await contract.limiter.peek({ policy, subject, cost: 7 })).retryAfterMs, 0.001);
    await contract.storage.owe([{ policy, subject, debtUnits: 5 }]);
    deepEqual((await contract.storage.peek([{ policy, subject, cost: 1 }])).debtUnits, [6]);
    await contract.storage.owe([{ policy, subject, debtUnits: 2 }]);
    deepEqual((await contract.storage.peek([{ policy, subject, cost: 1 }])).debtUnits, [8]);
    await contract.advanceMs(0.001);
    deepEqual((await contract.storage.peek([{ policy, subject, cost: 1 }])).debtUnits, [1]);
    await contract.advanceMs(0.001);
    deepEqual((await contract.storage.peek([{ policy, subject, cost: 1 }])).debtUnits, [0]);
  },

  'where tokens arrive in steps, what is owed is paid in steps': async (contract) => {
    const policy = perMinute(6, { refillEverySeconds: 20 });
    await owe(contract, policy, 5);
    deepEqual(await contract.consume(policy, 2), [false, 1, 20_000, 60_000]);
    await contract.advanceMs(19_999);
    await owe(contract, policy, 1);
    deepEqual(await contract.consume(policy, 1), [false, 0, 1, 40_001]);
    await contract.advanceMs(1);
    deepEqual(await contract.consume(policy, 2), [true, 0, 0, 60_000]);
  },

  'a reset forgives what is owed, and a refund gives back no more than was taken': async (contract) => {
    const policy = perMinute(6);
    const receipt = await contract.take({ policy, subject, cost: 2 });
    await owe(contract, policy, 3);
    await contract.limiter.refund(receipt);
    equal((await contract.limiter.peek({ policy, subject })).remaining, 3);
    await contract.limiter.reset({ policy, subject });
    equal(await contract.state(), '');
    deepEqual(await contract.consume(policy, 6), [true, 0, 0, 60_000]);
  },
};
