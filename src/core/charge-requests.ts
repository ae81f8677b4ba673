import { type Charge, checkCharge, sumByBucket } from './charge.js';
import type { DeclaredPolicies } from './declared-policies.js';
import { InvalidChargeError } from './errors.js';
import type { Policy } from './policy.js';

/**
 * A bucket as callers name it: the policy itself, or the name of one of the application's shared policies. The name of a
 * group stands for the buckets of all its policies.
 */
export interface BucketRequest {
  readonly policy: Policy | string;
  /** Who is limited, for example `user:42`; the built-in subjects are spelled as their documentation says. */
  readonly subject: string;
}

/** A charge as callers ask for it. */
export interface ChargeRequest extends BucketRequest {
  /** Tokens to take. Integer ≥ 1. Default: 1. */
  readonly cost?: number;
}

/** What code asks for that asks for nothing; it is told what is missing. */
const NOTHING = {} as ChargeRequest;

/** Turns what callers ask for into charges that a storage can be asked about. */
export class ChargeRequests {
  constructor(private readonly declared: DeclaredPolicies) {}

  /** @throws InvalidChargeError for what no bucket can be asked */
  toCharges(requests: ChargeRequest | readonly ChargeRequest[]): readonly Charge[] {
    if (isList(requests)) return this.toChargeList(requests);
    return this.declared.groupOf(requests?.policy) === undefined
      ? [this.toCharge(requests)]
      : this.toChargeList([requests]);
  }

  private toChargeList(requests: readonly ChargeRequest[]): readonly Charge[] {
    if (requests.length === 0) {
      throw new InvalidChargeError('The list of charges is empty; name at least one policy and subject.');
    }
    return sumByBucket(requests.flatMap((request) => this.toChargesOfEach(request)));
  }

  private toChargesOfEach(request: ChargeRequest): readonly Charge[] {
    const { policy, subject, cost } = request ?? NOTHING;
    const members = this.declared.groupOf(policy) ?? [policy];
    return members.map((member) => this.toCharge({ policy: member, subject, cost }));
  }

  private toCharge(request: ChargeRequest): Charge {
    const { policy, subject, cost = 1 } = request ?? NOTHING;
    const charge = { policy: this.declared.policyOf(policy), subject, cost };
    checkCharge(charge);
    return charge;
  }
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
