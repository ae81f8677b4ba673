import { deepEqual, equal } from 'node:assert/strict';
import type { Charge } from '../../core/charge.js';
import { Policy } from '../../core/policy.js';
import { reserving as reservingPolicy } from '../../core/reservation.js';
import type { StorageReply } from '../../core/storage.js';
import { by } from './algorithms.js';
import { type Checks, type Contract, perMinute } from './contract.js';

const subject = 'user:1';

/** A charge of tokens that need not be there yet: the bucket may owe beyond its capacity what refills in the wait. */
export function reservation(policy: Policy, cost: number, maxWaitMs: number): Charge {
  return { policy: reservingPolicy(policy, Math.round(maxWaitMs * 1000)), subject, cost };
}

export async function ask({ storage }: Contract, charge: Charge): Promise<StorageReply> {
  return storage.consume([charge]);
}

/** Tokens that the bucket owes, those beyond its capacity included. */
export async function owedTokens({ storage }: Contract, policy: Policy): Promise<number> {
  return (await storage.peek([{ policy, subject, cost: 1 }])).debtUnits[0]! / policy.tokenUnits;
}

/** Charges beyond the capacity, by which `PolicyLimiter.wait` and `onExceeded: 'wait'` take their turn. */
export const reserving: Checks = {
  'tokens are reserved beyond the capacity, up to what refills in the longest wait': async (contract) => {
    const policy = perMinute(6); // a token every 10 s
    const reserve = async (cost: number) => (await ask(contract, reservation(policy, cost, 20_000))).allowed;
    equal((await contract.consume(policy, 6))[0], true);
    equal(await reserve(2), true);
    equal(await reserve(1), false);
    equal(await owedTokens(contract, policy), 8);
    await contract.advanceMs(9999.999);
    equal(await reserve(1), false);
    await contract.advanceMs(0.001);
    equal(await reserve(1), true);
    equal(await owedTokens(contract, policy), 8);
  },

  'the answer tells when the tokens arrive, to the microsecond': async (contract) => {
    const policy = perMinute(7); // 7 units drain in a microsecond, and a token has 60 000 000
    for (let taken = 1; taken <= 20; taken++) {
      const { allowed, debtUnits } = await ask(contract, reservation(policy, 1, 3_600_000));
      deepEqual([allowed, debtUnits], [true, [taken * policy.tokenUnits]]);
    }
  },

  'whoever does not wait is refused until all that is reserved has arrived': async (contract) => {
    const policy = perMinute(6);
    await ask(contract, reservation(policy, 6, 60_000));
    await ask(contract, reservation(policy, 3, 60_000));
    deepEqual(await contract.consume(policy), [false, 0, 40_000, 90_000]);
    await contract.advanceMs(39_999.999);
    deepEqual(await contract.consume(policy), [false, 0, 0.001, 50_000.001]);
    await contract.advanceMs(0.001);
    deepEqual(await contract.consume(policy), [true, 0, 0, 60_000]);
  },

  'each has the patience that it has, on one bucket': async (contract) => {
    const policy = perMinute(6);
    const reserve = async (seconds: number) => (await ask(contract, reservation(policy, 3, seconds * 1000))).allowed;
    deepEqual([await reserve(0), await reserve(0), await reserve(0)], [true, true, false]);
    deepEqual([await reserve(29.999), await reserve(30), await reserve(59)], [false, true, false]);
    deepEqual([await reserve(90), await reserve(60)], [true, false]);
    equal(await owedTokens(contract, policy), 12);
  },

  'a denied reservation changes no byte': async (contract) => {
    const policy = perMinute(6);
    await ask(contract, reservation(policy, 6, 10_000));
    const before = await contract.state();
    const { allowed, debtUnits } = await ask(contract, reservation(policy, 2, 10_000));
    deepEqual([allowed, debtUnits], [false, [6 * policy.tokenUnits]]);
    equal(await contract.state(), before);
  },

  'where tokens arrive in steps, whole steps are waited for': async (contract) => {
    for (const policy of [perMinute(2, { refillEverySeconds: 60 }), by('fixed-window', 2, 'window')]) {
      const reserve = async (seconds: number) => (await ask(contract, reservation(policy, 1, seconds * 1000))).allowed;
      deepEqual([await reserve(60), await reserve(60)], [true, true]);
      deepEqual(
        [await reserve(59), await reserve(60), await reserve(60), await reserve(60)],
        [false, true, true, false],
      );
      equal((await contract.consume(policy))[0], false);
    }
    // Of the minute that begins, both tokens are promised.
    await contract.advanceMs(60_000);
    equal((await contract.consume(by('fixed-window', 2, 'window')))[0], false);
    await contract.advanceMs(60_000);
    equal((await contract.consume(by('fixed-window', 2, 'window'), 2))[0], true);
  },

  'a leaky bucket gives every reservation a time of its own': async (contract) => {
    const policy = by('leaky-bucket', 6); // one every 10 s
    for (let place = 1; place <= 4; place++) {
      const { allowed, debtUnits } = await ask(contract, reservation(policy, 1, 30_000));
      deepEqual([allowed, debtUnits], [true, [place * policy.tokenUnits]]);
    }
    equal((await ask(contract, reservation(policy, 1, 30_000))).allowed, false);
    equal((await contract.consume(policy))[2], 40_000);
  },

  'what is taken back is taken back as a whole, and what is not has changed nothing': async (contract) => {
    const policy = perMinute(6);
    await ask(contract, reservation(policy, 6, 60_000));
    const charge = reservation(policy, 3, 60_000);
    const reply = await ask(contract, charge);
    const isTakenBack = await contract.storage.cancel(charge, reply);
    equal(await owedTokens(contract, policy), isTakenBack ? 6 : 9);
  },
};
