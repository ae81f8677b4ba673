import { fits } from './algorithms/token-bucket.js';
import type { Charge } from './charge.js';
import { Decision, PolicyDecision, type Receipt } from './decision.js';
import { StorageFailureError } from './errors.js';
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
  const said = charges.map((charge, i) => {
    checkInstants(charge.policy, reply, i);
    // Where a request is denied, some of its policies would have admitted it. The lone one is what the whole was told.
    const isRoom = charges.length > 1 && fits(charge.policy, charge.cost, reply.debtUnits[i]!);
    return new PolicyDecision(charge, reply.allowed || isRoom, reply, i);
  });
  const isWithoutStorage = reply.madeInstead !== undefined;
  return new Decision(reply.allowed, said.length === 1 ? said[0]! : said, receipts, isWithoutStorage);
}

function malformed(charges: readonly Charge[], { debtUnits }: StorageReply): StorageFailureError {
  return new StorageFailureError(`The storage answered ${debtUnits.length} of ${charges.length} charges.`);
}

function checkInstants({ windowMicros, algorithm }: Policy, { instants }: StorageReply, i: number): void {
  if (windowMicros === 0 || instants?.[i] !== undefined) return;
  throw new StorageFailureError(`The storage does not know the algorithm "${algorithm}".`);
}
