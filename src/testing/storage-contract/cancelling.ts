import { deepEqual, equal } from 'node:assert/strict';
import type { Charge } from '../../core/charge.js';
import type { Policy } from '../../core/policy.js';
import type { StorageReply } from '../../core/storage.js';
import { by } from './algorithms.js';
import { type Checks, type Contract, perMinute } from './contract.js';
import { ask, owedTokens, reservation } from './reserving.js';

const HOUR_MS = 3_600_000;

const patient = (policy: Policy, cost: number): Charge => reservation(policy, cost, HOUR_MS);

async function cancel({ storage }: Contract, charge: Charge, reply: StorageReply): Promise<boolean> {
  return storage.cancel(charge, reply);
}

/** `cancel`: charges that are taken back as a whole, as long as nobody has been promised a time that counts on them. */
export const cancelling: Checks = {
  'the last charge is taken back as a whole, however long ago it was, and once': async (contract) => {
    const policy = perMinute(6); // a token every 10 s
    await ask(contract, patient(policy, 6));
    const reply = await ask(contract, patient(policy, 4));
    await contract.advanceMs(30_000);
    equal(await cancel(contract, patient(policy, 4), reply), true);
    equal(await owedTokens(contract, policy), 3);
    equal(await cancel(contract, patient(policy, 4), reply), false);
    equal(await owedTokens(contract, policy), 3);
  },

  'a charge stays if there was another since, until that is taken back itself': async (contract) => {
    const policy = perMinute(6);
    const taken: [cost: number, reply: StorageReply][] = [];
    for (const cost of [6, 3, 2]) taken.push([cost, await ask(contract, patient(policy, cost))]);
    for (const [cost, reply] of taken.slice(0, 2)) equal(await cancel(contract, patient(policy, cost), reply), false);
    equal(await owedTokens(contract, policy), 11);
    for (const [cost, reply] of taken.toReversed()) equal(await cancel(contract, patient(policy, cost), reply), true);
    equal(await owedTokens(contract, policy), 0);
  },

  'a charge stays if somebody has been admitted since who does not wait': async (contract) => {
    const policy = perMinute(6);
    const reply = await ask(contract, patient(policy, 3));
    await contract.consume(policy, 1);
    equal(await cancel(contract, patient(policy, 3), reply), false);
    equal(await owedTokens(contract, policy), 4);
  },

  'nothing is taken back that has drained, or was forgiven': async (contract) => {
    const policy = perMinute(6);
    const drained = await ask(contract, patient(policy, 6));
    await contract.advanceMs(60_000);
    equal(await cancel(contract, patient(policy, 6), drained), false);
    const forgiven = await ask(contract, patient(policy, 6));
    await contract.limiter.reset({ policy, subject: 'user:1' });
    equal(await cancel(contract, patient(policy, 6), forgiven), false);
    equal(await owedTokens(contract, policy), 0);
  },

  'parts of a token are taken back exactly': async (contract) => {
    const policy = perMinute(7);
    const replies = [];
    for (let taken = 0; taken < 20; taken++) replies.push(await ask(contract, patient(policy, 1)));
    for (let left = 19; left > 0; left--) {
      equal(await cancel(contract, patient(policy, 1), replies[left]!), true);
      equal(await owedTokens(contract, policy), left);
    }
  },

  'a bucket from which all is taken back is full, and nothing of it is kept': async (contract) => {
    const policy = perMinute(6);
    const reply = await ask(contract, patient(policy, 2));
    equal(await cancel(contract, patient(policy, 2), reply), true);
    equal(await contract.state(), '');
    deepEqual(await contract.consume(policy, 6), [true, 0, 0, 60_000]);
  },

  'only the bucket that was charged gets something back': async (contract) => {
    const [policy, other] = [perMinute(6), perMinute(6, { name: 'other' })];
    await contract.consume(other, 2);
    await contract.consume(policy, 2, 'user:2');
    const reply = await ask(contract, patient(policy, 2));
    equal(await cancel(contract, patient(policy, 2), reply), true);
    const left = async (of: Policy, subject: string) =>
      (await contract.limiter.peek({ policy: of, subject })).remaining;
    deepEqual([await left(other, 'user:1'), await left(policy, 'user:2'), await left(policy, 'user:1')], [4, 4, 6]);
  },
};

/** Of sliding windows, in which nobody waits. */
export const cancellingInWindows: Checks = {
  'nothing is taken out of a sliding window': async (contract) => {
    for (const algorithm of ['sliding-window-log', 'sliding-window-counter'] as const) {
      const policy = by(algorithm, 6);
      const charge = { policy, subject: 'user:1', cost: 2 };
      const reply = await ask(contract, charge);
      equal(await cancel(contract, charge, reply), false);
      equal((await contract.limiter.peek(charge)).remaining, 4);
    }
  },
};
