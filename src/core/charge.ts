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
  /** Integer ≥ 1. A cost above the policy's capacity is always denied. */
  readonly cost: number;
}

/** Throws {@link InvalidChargeError} unless the charge can be put to a storage. */
export function checkCharge(charge: Charge): void {
  if (!isPolicy(charge.policy) || !isSubject(charge.subject) || !isCost(charge.cost)) throw invalidCharge(charge);
}

// Every request is checked: the checks are small enough to be inlined, and what words the error stands apart.
function isPolicy(policy: Policy | undefined): boolean {
  return policy?.capacityUnits !== undefined;
}

function isSubject(subject: unknown): boolean {
  return typeof subject === 'string' && subject !== '';
}

export function isCost(cost: unknown): cost is number {
  return Number.isSafeInteger(cost) && (cost as number) > 0;
}

function invalidCharge({ policy, subject, cost }: Charge): InvalidChargeError {
  if (!isPolicy(policy)) {
    return new InvalidChargeError(
      `The policy is ${describeValue(policy)}; expected a Policy, or the name of a declared one.`,
    );
  }
  return new InvalidChargeError(
    isSubject(subject)
      ? `Policy "${policy.name}": the cost is ${describeValue(cost)}; expected a whole number of tokens, at least 1.`
      : `Policy "${policy.name}": the subject is ${describeValue(subject)}; expected a non-empty string that names who is limited, such as "user:42".`,
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
        `Two policies share the bucket "${charge.policy.id}" but differ in capacity, refill or algorithm; give one of them another name or place.`,
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
