import type { Charge } from './charge.js';
import { Receipt } from './decision.js';
import { InvalidChargeError } from './errors.js';
import { Policy } from './policy.js';
import { settlementOf } from './settlement.js';

const SUBJECT = 'user:1';
/** A token has 1 000 000 units. */
const ten = new Policy({ name: 'ten', capacity: 10, refillTokens: 1, refillSeconds: 1 });
const indebted = new Policy({ name: 'indebted', capacity: 10, refillTokens: 1, refillSeconds: 1, maxDebt: 5 });
const charge = (cost: number, policy = ten): Charge => ({ policy, subject: SUBJECT, cost });
const receiptOf = (...charges: readonly Charge[]) => new Receipt(charges, 7);
const NOTHING = { excess: [], overrun: [] };

describe('What has to change after the real cost is known', () => {
  it('is nothing where the estimate was right', () => {
    expect(settlementOf(receiptOf(charge(4)), 4)).toEqual(NOTHING);
    expect(settlementOf(receiptOf(), 4)).toEqual(NOTHING);
  });

  it.each([
    [0, 4],
    [1, 3],
    [3, 1],
  ])('is that what was taken beyond a cost of %d comes back', (cost, back) => {
    expect(settlementOf(receiptOf(charge(4)), cost)).toEqual({ excess: [charge(back)], overrun: [] });
  });

  it('is that what it cost beyond the charge is owed', () => {
    const overrun = [{ policy: ten, subject: SUBJECT, debtUnits: 3e6, mostUnits: 10e6 }];
    expect(settlementOf(receiptOf(charge(4)), 7)).toEqual({ excess: [], overrun });
  });

  it('is never more than all that a bucket may owe, and stays exact', () => {
    for (const cost of [100, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      expect(settlementOf(receiptOf(charge(4), charge(4, indebted)), cost).overrun).toEqual([
        { policy: ten, subject: SUBJECT, debtUnits: 10e6, mostUnits: 10e6 },
        { policy: indebted, subject: SUBJECT, debtUnits: 15e6, mostUnits: 15e6 },
      ]);
    }
  });

  it('may be another thing for every charge', () => {
    const costs: Record<string, number> = { ten: 1, indebted: 6 };
    const settlement = settlementOf(receiptOf(charge(4), charge(4, indebted)), ({ policy }) => costs[policy.name]!);
    expect(settlement).toEqual({
      excess: [charge(3)],
      overrun: [{ policy: indebted, subject: SUBJECT, debtUnits: 2e6, mostUnits: 15e6 }],
    });
  });

  it('changes no charge of the receipt', () => {
    const receipt = receiptOf(charge(4));
    settlementOf(receipt, 1);
    expect(receipt.charges).toEqual([charge(4)]);
  });

  it.each([-1, 0.5, NaN, Infinity, 2 ** 53, '4', undefined, null, 4n])('cannot be told for a cost of %p', (cost) => {
    for (const costs of [cost as number, () => cost as number]) {
      const settle = () => settlementOf(receiptOf(charge(4)), costs);
      expect(settle).toThrow(InvalidChargeError);
      expect(settle).toThrow(/^Policy "ten": the settled cost is .*; expected a whole number of tokens, at least 0\.$/);
    }
  });
});
