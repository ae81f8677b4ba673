import type { Charge } from './charge.js';
import type { Receipt } from './decision.js';
import { describeValue, InvalidChargeError } from './errors.js';
import type { Owed } from './storage.js';

/** What has to change in the buckets of an admitted decision, so that each has paid what it really cost. */
export interface Settlement {
  /** Charges of what was taken beyond the cost. */
  readonly excess: readonly Charge[];
  /** What the cost was beyond the charge. */
  readonly overrun: readonly Owed[];
}

/**
 * @param costs tokens that the charges really cost, integers ≥ 0: one number for all, or a function of each.
 * @throws InvalidChargeError for what is no number of tokens
 */
export function settlementOf({ charges }: Receipt, costs: number | ((charge: Charge) => number)): Settlement {
  const excess: Charge[] = [];
  const overrun: Owed[] = [];
  for (const charge of charges) {
    const cost = checkedCost(typeof costs === 'function' ? costs(charge) : costs, charge);
    if (cost < charge.cost) excess.push({ ...charge, cost: charge.cost - cost });
    else if (cost > charge.cost) overrun.push(owedFor(charge, cost - charge.cost));
  }
  return { excess, overrun };
}

function checkedCost(cost: unknown, { policy }: Charge): number {
  if (typeof cost === 'number' && Number.isSafeInteger(cost) && cost >= 0) return cost;
  throw new InvalidChargeError(
    `Policy "${policy.name}": the settled cost is ${describeValue(cost)}; expected a whole number of tokens, at least 0.`,
  );
}

/** An overrun beyond all that a bucket may owe is the same as one up to there, and exact. */
function owedFor({ policy, subject }: Charge, tokens: number): Owed {
  const mostTokens = policy.capacity + policy.maxDebt;
  return {
    policy,
    subject,
    debtUnits: Math.min(tokens, mostTokens) * policy.tokenUnits,
    mostUnits: mostTokens * policy.tokenUnits,
  };
}

/** @throws InvalidChargeError for what an allowed decision cannot have left behind, such as nothing or the decision itself */
export function checkReceipt(receipt: unknown): void {
  const { charges, takenAtMicros } = (receipt ?? {}) as Partial<Record<keyof Receipt, unknown>>;
  if (Array.isArray(charges) && typeof takenAtMicros === 'number') return;
  throw new InvalidChargeError(
    `The receipt is ${describeValue(receipt)}; expected one of decision.receipts, of which a decision that denied has none.`,
  );
}
