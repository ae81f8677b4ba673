import { costUnits } from './algorithms/token-bucket.js';
import type { Charge } from './charge.js';
import { Decision, PolicyDecision, type Receipt } from './decision.js';
import { StorageFailureError } from './errors.js';
import type { StorageReply } from './storage.js';

/** Nothing was taken, so there is nothing to give back. */
const NO_RECEIPTS: readonly Receipt[] = [];

/**
 * What a storage's reply says about the charges that it was asked about.
 * @param taken whether they were taken where that was possible, and not only looked at
 * @throws StorageFailureError for a reply that makes no sense
 */
export function toDecision(asked: readonly Charge[], reply: StorageReply, taken: boolean): Decision {
  const receipts = reply.allowed && taken ? undefined : NO_RECEIPTS;
  return isPlain(asked, reply)
    ? new Decision(reply.allowed, new PolicyDecision(asked[0]!, reply.allowed, reply, 0), receipts)
    : toDecisionOfAll(asked, reply, receipts);
}

// Most requests make one charge, and what it says is what the whole request was told.
function isPlain(asked: readonly Charge[], reply: StorageReply): boolean {
  return asked.length === 1 && reply.debtUnits.length === 1 && isOfArrival(asked[0]!, reply);
}

function isOfArrival({ policy }: Charge, { madeInstead }: StorageReply): boolean {
  return policy.windowMicros === 0 && madeInstead === undefined;
}

function toDecisionOfAll(
  asked: readonly Charge[],
  reply: StorageReply,
  receipts: readonly Receipt[] | undefined,
): Decision {
  const charges = reply.madeInstead ?? asked;
  if (reply.debtUnits.length !== charges.length) throw malformed(charges, reply);
  const said = charges.map((charge, i) => toPolicyDecision(charge, reply, i));
  return new Decision(reply.allowed, said.length === 1 ? said[0]! : said, receipts, charges !== asked);
}

function malformed(charges: readonly Charge[], { debtUnits }: StorageReply): StorageFailureError {
  return new StorageFailureError(`The storage answered ${debtUnits.length} of ${charges.length} charges.`);
}

function toPolicyDecision(charge: Charge, reply: StorageReply, i: number): PolicyDecision {
  const { policy, cost } = charge;
  if (policy.windowMicros > 0 && reply.instants?.[i] === undefined) {
    throw new StorageFailureError(`The storage does not know the algorithm "${policy.algorithm}".`);
  }
  const fits = reply.debtUnits[i]! + costUnits(policy, cost) <= policy.capacityUnits;
  return new PolicyDecision(charge, reply.allowed || fits, reply, i);
}
