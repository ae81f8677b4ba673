import { Policy, placeOf } from '../../src/core/policy.js';
import type { ChargeRequest } from '../../src/core/rate-limiter.js';
import type { Contract } from './storage-harness.js';

/** All or none. */
export function describeManyCharges(contract: Contract): void {
  describe.each([1, 2, 3, 4, 5, 6, 7, 8])('with %d charges at once', (count) => {
    const policies = Array.from(
      { length: count },
      (_, i) => new Policy({ name: `p${i}`, capacity: 10 + i, perSeconds: 60 + i, place: placeOf('spec', 'handler') }),
    );
    const charges = (cost: number): ChargeRequest[] =>
      policies.map((policy, i) => ({ policy, subject: i % 2 === 0 ? 'user:1' : 'ip:203.0.113.7', cost }));

    test('takes all of them', async () => {
      const decision = await contract.limiter.consume(charges(2));
      expect(decision.allowed).toBe(true);
      expect(decision.policies.map((policy) => policy.remaining)).toEqual(policies.map((_, i) => 8 + i));
    });

    test('takes none when any one refuses, and changes no byte', async () => {
      for (let refusing = 0; refusing < count; refusing++) {
        const charge = charges(1)[refusing]!;
        await contract.limiter.reset(charges(1));
        await contract.limiter.consume(charges(1));
        await contract.limiter.consume({ ...charge, cost: 9 + refusing });
        const before = await contract.state();

        const decision = await contract.limiter.consume(charges(1));

        expect(decision.allowed).toBe(false);
        expect(decision.policies.map((policy) => policy.allowed)).toEqual(policies.map((_, i) => i !== refusing));
        expect(decision.policies.map((policy) => policy.remaining)).toEqual(
          policies.map((_, i) => (i === refusing ? 0 : 9 + i)),
        );
        expect(await contract.state()).toEqual(before);
        const after = await contract.limiter.peek(charges(1));
        expect(after.policies.map((policy) => policy.remaining)).toEqual(
          decision.policies.map((policy) => policy.remaining),
        );
      }
    });
  });
}
