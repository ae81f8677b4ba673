import { deepEqual, equal } from 'node:assert/strict';
import type { Decision } from '../../core/decision.js';
import { Policy, placeOf } from '../../core/policy.js';
import type { ChargeRequest } from '../../core/charge-requests.js';
import type { Checks } from './contract.js';

/** All or none. */
export const manyCharges: Checks = Object.assign({}, ...[1, 2, 3, 4, 5, 6, 7, 8].map(withCharges)) as Checks;

function withCharges(count: number): Checks {
  const policies = Array.from(
    { length: count },
    (_, i) => new Policy({ name: `p${i}`, capacity: 10 + i, perSeconds: 60 + i, place: placeOf('spec', 'handler') }),
  );
  const charges = (cost: number): ChargeRequest[] =>
    policies.map((policy, i) => ({ policy, subject: i % 2 === 0 ? 'user:1' : 'ip:203.0.113.7', cost }));

  return {
    [`${count} charges at once are all taken`]: async ({ limiter }) => {
      const decision = await limiter.consume(charges(2));
      equal(decision.allowed, true);
      deepEqual(
        remainingOf(decision),
        policies.map((_, i) => 8 + i),
      );
    },

    [`of ${count} charges at once none is taken when any one is refused, and no byte changes`]: async (contract) => {
      const { limiter } = contract;
      for (let refusing = 0; refusing < count; refusing++) {
        await limiter.reset(charges(1));
        await limiter.consume(charges(1));
        await limiter.consume({ ...charges(1)[refusing]!, cost: 9 + refusing });
        const before = await contract.state();

        const decision = await limiter.consume(charges(1));

        equal(decision.allowed, false);
        deepEqual(
          decision.policies.map((policy) => policy.allowed),
          policies.map((_, i) => i !== refusing),
        );
        deepEqual(
          remainingOf(decision),
          policies.map((_, i) => (i === refusing ? 0 : 9 + i)),
        );
        equal(await contract.state(), before);
        deepEqual(remainingOf(await limiter.peek(charges(1))), remainingOf(decision));
      }
    },

    [`of ${count} charges at once that are refused, none leaves anything of a bucket of which nothing was taken`]:
      async (contract) => {
        const { limiter } = contract;
        for (let refusing = 0; refusing < count; refusing++) {
          await limiter.reset(charges(1));
          await limiter.consume({ ...charges(1)[refusing]!, cost: 10 + refusing });
          const before = await contract.state();
          equal((await limiter.consume(charges(1))).allowed, false);
          equal(await contract.state(), before);
        }
      },
  };
}

function remainingOf(decision: Decision): readonly number[] {
  return decision.policies.map((policy) => policy.remaining);
}
