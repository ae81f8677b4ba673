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
  let planned = '';
  let asked = '';
  for (const group of groups) {
    const { charges } = group[0]!;
    for (const charge of charges) input.push(keyOf(charge));
    // Few policies are asked of one Redis, and often the same.
    let plan = plans.findIndex((known) => asksTheSame(known, charges));
    if (plan < 0) {
      plan = plans.push(charges) - 1;
      planned += planText(charges);
    }
    asked += `,${plan + 1},${group.length}`;
  }
  const keyCount = input.length;
  input.push(`[${plans.length}${planned}${asked}]`);
  return { keyCount, input };
}

function planText(plan: readonly Charge[]): string {
  let text = `,${plan.length}`;
  for (const charge of plan) text += `,${chargeText(charge)}`;
  return text;
}

/** Whether the charges are the same but for the subjects. */
export function asksTheSame(some: readonly Charge[], others: readonly Charge[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ policy, cost }, i) => policy === others[i]!.policy && cost === others[i]!.cost)
  );
}
