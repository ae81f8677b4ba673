import { describeValue, InvalidChargeError } from './errors.js';
import type { Policy } from './policy.js';

/** The state of one policy for one subject; the policy carries its place. */
export interface Bucket {
  readonly policy: Policy;
  /** Who is limited, for example `ip:203.0.113.7` or `user:42`. Not empty. */
  readonly subject: string;
}

/** One bucket and the tokens asked of it. */
export interface Charge extends Bucket {
  /** Integer ≥ 1. A cost above the policy's capacity is refused for good. */
  readonly cost: number;
}

/** Throws {@link InvalidChargeError} unless the charge can be put to a storage. */
export function checkCharge(charge: Charge): void {
  const { policy, subject, cost } = charge;
  if (policy?.capacityUnits === undefined) throw invalidPolicy(policy);
  if (typeof subject !== 'string' || subject === '') throw invalidSubject(charge);
  if (!Number.isSafeInteger(cost) || cost < 1) throw invalidCost(charge);
}

// Apart from the check, which runs on every request and must stay small enough to be inlined.
function invalidPolicy(policy: unknown): InvalidChargeError {
  return new InvalidChargeError(
    `The policy is ${describeValue(policy)}; expected a Policy, or the name of a declared one.`,
  );
}

function invalidSubject({ policy, subject }: Charge): InvalidChargeError {
  return new InvalidChargeError(
    `Policy "${policy.name}": the subject is ${describeValue(subject)}; expected a non-empty string that names who is limited, such as "user:42".`,
  );
}

function invalidCost({ policy, cost }: Charge): InvalidChargeError {
  return new InvalidChargeError(
    `Policy "${policy.name}": the cost is ${describeValue(cost)}; expected a whole number of tokens, at least 1.`,
  );
}

/**
 * The charges with those on one bucket added up, in the order in which the buckets first appear, so that a storage
 * meets every bucket once. Two policies of one id that disagree have no common answer: {@link InvalidChargeError}.
 */
export function sumByBucket(charges: readonly Charge[]): readonly Charge[] {
  let summed: Charge[] | undefined;
  for (let i = 1; i < charges.length; i++) {
    const charge = charges[i]!;
    const seen = summed ?? charges;
    const end = summed?.length ?? i;
    const twin = indexOfBucket(seen, end, charge);
    if (twin < 0) {
      summed?.push(charge);
      continue;
    }
    summed ??= charges.slice(0, i);
    const first = summed[twin]!;
    if (!first.policy.agreesWith(charge.policy)) {
      throw new InvalidChargeError(
        `Two policies share the bucket "${charge.policy.id}" but differ in capacity or refill; give one of them another id.`,
      );
    }
    summed[twin] = { policy: first.policy, subject: first.subject, cost: first.cost + charge.cost };
  }
  return summed ?? charges;
}

function indexOfBucket(charges: readonly Charge[], end: number, { policy, subject }: Bucket): number {
  for (let i = 0; i < end; i++) {
    if (charges[i]!.subject === subject && charges[i]!.policy.id === policy.id) return i;
  }
  return -1;
}
