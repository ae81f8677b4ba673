import { countedInstants } from '../../core/algorithms/sliding-window-counter.js';
import type { Charge } from '../../core/charge.js';
import type { Instants } from '../../core/instants.js';

/** How many integers the scripts reply beside the debt of a sliding window. */
const PER_WINDOW = 3;

/** How many integers the scripts reply beside the debts of these charges. */
export function integersBeside(charges: readonly Charge[]): number {
  let count = 0;
  for (const { policy } of charges) if (policy.windowMicros > 0) count += PER_WINDOW;
  return count;
}

/**
 * What the integers beside the debts say of each charge on a sliding window.
 *
 * @param later how many equal requests were admitted after this one, at the same instant.
 */
export function toInstants(
  charges: readonly Charge[],
  integers: readonly number[],
  nowMicros: number,
  later = 0,
): readonly (Instants | undefined)[] {
  let at = 0;
  return charges.map((charge) => {
    if (charge.policy.windowMicros === 0) return undefined;
    at += PER_WINDOW;
    return instantsOf(charge, integers.slice(at - PER_WINDOW, at), nowMicros, later);
  });
}

function instantsOf({ policy, cost }: Charge, integers: readonly number[], nowMicros: number, later: number): Instants {
  const [first, second, third] = integers as [number, number, number];
  if (policy.algorithm === 'sliding-window-log') {
    return { retryAtMicros: first, nextTokenAtMicros: second, fullAtMicros: third };
  }
  const counts = { startMicros: first, previous: second, current: third - later * cost };
  return countedInstants(policy, cost, counts, nowMicros);
}
