import type { Charge } from '../../core/charge.js';
import { chargeText } from './charge-text.js';
import type { Message } from './scripts.js';

/** A request's charges. */
interface Asked {
  readonly charges: readonly Charge[];
}

/** KEYS and ARGV of consume.lua for groups of equal requests, none of them empty. */
export function consumeMessage(groups: readonly (readonly Asked[])[], keyOf: (charge: Charge) => string): Message {
  const plans: (readonly Charge[])[] = [];
  const input: string[] = [];
  let asked = '';
  for (const group of groups) {
    const { charges } = group[0]!;
    for (const charge of charges) input.push(keyOf(charge));
    asked += `,${planNumber(plans, charges)},${group.length}`;
  }
  const keyCount = input.length;
  input.push(`[${plans.length}${plans.map(planText).join('')}${asked}]`);
  return { keyCount, input };
}

function planText(plan: readonly Charge[]): string {
  let text = `,${plan.length}`;
  for (const charge of plan) text += `,${chargeText(charge)}`;
  return text;
}

/** The number of the plan with these charges, from 1; a new one is added. Few policies are asked of one Redis, and often the same. */
function planNumber(plans: (readonly Charge[])[], charges: readonly Charge[]): number {
  const known = plans.findIndex((plan) => asksTheSame(plan, charges));
  return known < 0 ? plans.push(charges) : known + 1;
}

/** Whether the charges are the same but for the subjects. */
export function asksTheSame(some: readonly Charge[], others: readonly Charge[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ policy, cost }, i) => policy === others[i]!.policy && cost === others[i]!.cost)
  );
}
