import { costUnits } from './algorithms/token-bucket.js';
import type { Charge } from './charge.js';
import { Decision, PolicyDecision, type Receipt } from './decision.js';
import { StorageFailureError } from './errors.js';
import type { Instants } from './instants.js';
import type { Policy } from './policy.js';
import type { StorageReply } from './storage.js';

/** Nothing was taken, so there is nothing to give back. */
const NO_RECEIPTS: readonly Receipt[] = [];

/**
 * What a storage's reply says about the charges that it was asked about.
 * @param taken whether they were taken where that was possible, and not only looked at
 * @throws StorageFailureError for a reply that makes no sense
 */
export function toDecision(asked: readonly Charge[], reply: StorageReply, taken: boolean): Decision {
  const { allowed, nowMicros, debtUnits, madeInstead, unixMicros } = reply;
  const charges = madeInstead ?? asked;
  if (debtUnits.length !== charges.length) throw malformed(charges, reply);
  // Most requests make one charge, and what it says is what the whole request was told.
  const said =
    charges.length === 1
      ? new PolicyDecision(
          charges[0]!,
          allowed,
          debtUnits[0]!,
          nowMicros,
          unixMicros,
          instantsOf(charges[0]!, reply, 0),
        )
      : toPolicyDecisions(charges, reply);
  return new Decision(allowed, said, allowed && taken ? undefined : NO_RECEIPTS, madeInstead !== undefined);
}

function malformed(charges: readonly Charge[], { debtUnits }: StorageReply): StorageFailureError {
  return new StorageFailureError(`The storage answered ${debtUnits.length} of ${charges.length} charges.`);
}

function toPolicyDecisions(charges: readonly Charge[], reply: StorageReply): PolicyDecision[] {
  const { allowed, nowMicros, nowMicrosEach, debtUnits, unixMicros } = reply;
  return charges.map((charge, i) => {
    const { policy, cost } = charge;
    const debt = debtUnits[i]!;
    return new PolicyDecision(
      charge,
      allowed || debt + costUnits(policy, cost) <= policy.capacityUnits,
      debt,
      nowMicrosEach?.[i] ?? nowMicros,
      unixMicros,
      instantsOf(charge, reply, i),
    );
  });
}

function instantsOf({ policy }: Charge, reply: StorageReply, i: number): Instants | undefined {
  return policy.windowMicros === 0 ? undefined : windowInstants(policy, reply, i);
}

function windowInstants({ algorithm }: Policy, { instants }: StorageReply, i: number): Instants {
  if (instants?.[i] !== undefined) return instants[i];
  throw new StorageFailureError(`The storage does not know the algorithm "${algorithm}".`);
}
