import { costUnits } from '../../core/algorithms/token-bucket.js';
import type { Charge } from '../../core/charge.js';
import type { Policy } from '../../core/policy.js';

/** Of the latest cost: most policies are only ever charged with one. */
const texts = new WeakMap<Policy, { readonly cost: number; readonly text: string }>();

/** The four integers per charge that consume.lua expects. */
export function chargeText(charge: Charge): string {
  const { policy, cost } = charge;
  let known = texts.get(policy);
  if (known?.cost !== cost) {
    known = { cost, text: integersOf(charge).join() };
    texts.set(policy, known);
  }
  return known.text;
}

/** The same, each by itself, as the other scripts expect them. */
export function integersOf({ policy, cost }: Charge): readonly string[] {
  return unitsText(policy, costUnits(policy, cost));
}

/** The same of so many units of debt. */
export function unitsText(policy: Policy, units: number): readonly string[] {
  const { capacityUnits, refillTokens, intervalMicros, tokenUnits, windowMicros } = policy;
  const numbers = windowMicros === 0 ? [refillTokens, intervalMicros] : [tokenUnits, -windowMicros];
  return [units, capacityUnits, ...numbers].map(String);
}
