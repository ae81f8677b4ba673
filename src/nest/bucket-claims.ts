import { describeValue, misconfigured } from '../core/errors.js';
import type { Policy } from '../core/policy.js';
import { isByFunction, type PlannedLimit, plannedLimit } from './planned-limit.js';

interface Claim {
  readonly policy: Policy;
  readonly where: string;
}

/** Who charges which bucket: finds limits that claim one and disagree, or that would share one by accident. */
export class BucketClaims {
  private readonly claims = new Map<string, Claim>();
  /** Limits whose policies a request decides, so that only the beginning of their names is known. */
  private readonly byFunction = new Map<PlannedLimit['choose'], PlannedLimit>();

  /** One of each bucket, in the order in which they were claimed. */
  get policies(): readonly Policy[] {
    return [...this.claims.values()].map(({ policy }) => policy);
  }

  /**
   * The limit with one policy for each of its buckets, however many routes or places share it.
   * @throws RateLimitConfigurationError when another limit claims the bucket and disagrees.
   */
  claim(limit: PlannedLimit): PlannedLimit {
    if (isByFunction(limit)) return this.claimNames(limit);
    const policies = limit.policies.map((policy) => this.claimBucket(policy, limit));
    return policies.every((policy, i) => policy === limit.policies[i]) ? limit : plannedLimit({ ...limit, policies });
  }

  private claimBucket(policy: Policy, { name, where }: PlannedLimit): Policy {
    // Limits of one id share buckets whatever their names, so they must agree in these too.
    const bucketName = isOfId(policy) ? `${policy.place}/${policy.name.slice(name.length)}` : policy.id;
    const earlier = this.claims.get(bucketName);
    if (earlier === undefined) {
      for (const limit of this.byFunction.values()) rejectMeeting(limit, { policy, where }, where);
      this.claims.set(bucketName, { policy, where });
      return policy;
    }
    if (earlier.policy === policy) return policy;
    // A class's limit is planned once per handler; the module's limits once each.
    if (policy.place !== '' && isSame(earlier.policy, policy)) return earlier.policy;
    return policy.place === ''
      ? rejectSecond(policy.name, where, earlier.where)
      : rejectDisagreement(where, earlier.policy.name, earlier.where);
  }

  private claimNames(limit: PlannedLimit): PlannedLimit {
    // Uses of a shared policy differ in what they say of it, but not in the function.
    if (this.byFunction.has(limit.choose)) return limit;
    for (const claim of this.claims.values()) rejectMeeting(limit, claim, limit.where);
    for (const other of this.byFunction.values()) rejectMeetingOfNames(limit, other);
    this.byFunction.set(limit.choose, limit);
    return limit;
  }
}

/** @param where of the two, that of the one that came last */
function rejectMeeting(limit: PlannedLimit, { policy, where: at }: Claim, where: string): void {
  if (policy.place !== limit.place) return;
  const other = where === at ? limit.where : at;
  if (policy.name === limit.name && policy.place === '') rejectSecond(limit.name, where, other);
  if (isOfId(limit)) rejectDisagreement(where, where === at ? limit.name : policy.name, other);
  if (mayGive(limit, policy.name)) rejectReservedName(limit.name, policy.name, where, other);
}

function rejectMeetingOfNames(limit: PlannedLimit, other: PlannedLimit): void {
  if (limit.place !== other.place) return;
  if (limit.name === other.name) {
    // Planned once per handler of its class; of one id it is one and the same on purpose.
    if (limit.where === other.where || isOfId(limit)) return;
    rejectSecond(limit.name, limit.where, other.where);
  }
  if (isOfId(limit)) rejectDisagreement(limit.where, other.name, other.where);
  const [giving, given] = mayGive(limit, other.name) ? [limit, other] : [other, limit];
  if (mayGive(giving, given.name)) rejectReservedName(giving.name, given.name, limit.where, other.where);
}

/** Whether a limit whose policies a request decides may have one of this name. */
export function mayGive(limit: Pick<PlannedLimit, 'name'>, policyName: string): boolean {
  return policyName === limit.name || policyName.startsWith(`${limit.name}.`);
}

/** Of limits with an `id`: `=` never comes out of the encoding of other places. */
function isOfId({ place }: { readonly place: string }): boolean {
  return place.startsWith('=');
}

/** @param other where the other one stands */
export function rejectSecond(name: string, where: string, other: string): never {
  return misconfigured(where, `${describeValue(name)} is declared twice, here and at ${other}`, 'rename one of them');
}

/** @param other where the other one stands */
export function rejectReservedName(name: string, policyName: string, where: string, other: string): never {
  return misconfigured(
    where,
    `a request decides which policies ${describeValue(name)} has, and one may be called ${describeValue(policyName)}, ` +
      `a name that is taken, here or at ${other}`,
    `rename one of the two, so that no other name begins with "${name}."`,
  );
}

function rejectDisagreement(where: string, otherName: string, other: string): never {
  return misconfigured(
    where,
    `its bucket is already that of ${describeValue(otherName)} of ${other}, with another name, other numbers or other options`,
    'give it another id; limits of one id must agree in name, capacity, refill, algorithm, maxDebt, message, quotaUnit and onStorageFailure',
  );
}

/** One bucket cannot be told of in two ways. */
function isSame(policy: Policy, other: Policy): boolean {
  return (
    policy.agreesWith(other) &&
    policy.maxDebt === other.maxDebt &&
    policy.message === other.message &&
    policy.quotaUnit === other.quotaUnit &&
    policy.onStorageFailure === other.onStorageFailure
  );
}
