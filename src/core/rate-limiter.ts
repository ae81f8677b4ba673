import { costUnits } from './algorithms/token-bucket.js';
import { type Charge, checkCharge, sumByBucket } from './charge.js';
import { Decision, PolicyDecision, type Receipt } from './decision.js';
import { describeValue, InvalidChargeError, misconfigured, StorageFailureError } from './errors.js';
import type { Instants } from './instants.js';
import type { Policy } from './policy.js';
import type { MaybePromise, RateLimitStorage, StorageReply } from './storage.js';

/** A bucket as callers name it: the policy itself, or the name of one of the application's shared policies. */
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

/** The receipts that were given back; of all limiters together, because two of them may ask one storage. */
const SPENT = new WeakSet<Receipt>();

/**
 * Asks the storage and turns its replies into decisions. Needs neither HTTP nor Nest. Methods answer synchronously
 * where the storage does (memory) and with a promise where it cannot (Redis); `await` serves both.
 */
export class RateLimiter {
  private readonly policiesByName = new Map<string, Policy>();

  /** @param policies the policies that requests may name instead of handing over. */
  constructor(
    readonly storage: RateLimitStorage,
    policies: Iterable<Policy> = [],
  ) {
    for (const policy of policies) {
      if (this.policiesByName.has(policy.name)) {
        misconfigured(
          'new RateLimiter',
          `two policies are named ${describeValue(policy.name)}`,
          'rename one, or hand over the Policy with each request instead of its name',
        );
      }
      this.policiesByName.set(policy.name, policy);
    }
  }

  /**
   * Takes the tokens of all charges, or of none if one of them must be denied; a denial changes nothing. Charges on
   * one bucket are added up first.
   * @throws InvalidChargeError (nothing was charged) · StorageFailureError (it is unknown whether it was charged)
   */
  consume(charges: ChargeRequest | readonly ChargeRequest[]): MaybePromise<Decision> {
    const checked = this.toCharges(charges);
    const reply = this.storage.consume(checked);
    return reply instanceof Promise ? toLateDecision(checked, reply, true) : toDecision(checked, reply, true);
  }

  /** The answer that {@link consume} would give now, taking nothing: `remaining` counts before the cost. */
  peek(charges: ChargeRequest | readonly ChargeRequest[]): MaybePromise<Decision> {
    const checked = this.toCharges(charges);
    const reply = this.storage.peek(checked);
    return reply instanceof Promise ? toLateDecision(checked, reply, false) : toDecision(checked, reply, false);
  }

  /**
   * Gives back what an allowed decision took, less what has refilled since: a bucket never holds more than if the
   * charge had not been made. A receipt counts once; giving it again gives nothing back and answers `false`.
   */
  refund(receipt: Receipt): MaybePromise<boolean> {
    if (SPENT.has(receipt)) return false;
    SPENT.add(receipt);
    const done = this.storage.refund(receipt.charges, receipt.takenAtMicros);
    return done instanceof Promise ? done.then(() => true) : true;
  }

  /** Makes buckets full, as if nothing had been taken from them. */
  reset(buckets: BucketRequest | readonly BucketRequest[]): MaybePromise<void> {
    return this.storage.reset(this.toCharges(buckets));
  }

  private toCharges(requests: ChargeRequest | readonly ChargeRequest[]): readonly Charge[] {
    return isList(requests) ? this.toChargeList(requests) : [this.toCharge(requests)];
  }

  private toChargeList(requests: readonly ChargeRequest[]): readonly Charge[] {
    if (requests.length === 0) {
      throw new InvalidChargeError('The list of charges is empty; name at least one policy and subject.');
    }
    return sumByBucket(requests.map((request) => this.toCharge(request)));
  }

  private toCharge({ policy, subject, cost = 1 }: ChargeRequest): Charge {
    const charge = { policy: this.policyOf(policy), subject, cost };
    checkCharge(charge);
    return charge;
  }

  private policyOf(policy: Policy | string): Policy {
    if (typeof policy === 'string') return this.policyNamed(policy);
    return this.policiesByName.size > 0 && policy?.place === '' ? this.notNamesake(policy) : policy;
  }

  /** A policy made in code without a place would charge the bucket of a shared policy of its name. */
  private notNamesake(policy: Policy): Policy {
    const shared = this.policiesByName.get(policy.name);
    if (shared === undefined || shared === policy || shared.agreesWith(policy)) return policy;
    throw new InvalidChargeError(
      `Policy "${policy.name}" shares its bucket with the declared policy of that name, but differs in capacity, refill or algorithm; ` +
        'give it a name or a place of its own, or ask by name.',
    );
  }

  private policyNamed(name: string): Policy {
    const policy = this.policiesByName.get(name);
    if (policy !== undefined) return policy;
    const known = [...this.policiesByName.keys()].map((key) => `"${key}"`).join(', ');
    throw new InvalidChargeError(
      `Unknown policy ${describeValue(name)}. ${known === '' ? 'No shared policies are declared' : `Declared are ${known}`}; ` +
        'declare it under `policies` in RateLimitModule.forRoot, or pass a Policy.',
    );
  }
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

/** Nothing was taken, so there is nothing to give back. */
const NO_RECEIPTS: readonly Receipt[] = [];

// Apart from the methods: a closure in them would cost every synchronous answer its context.
function toLateDecision(charges: readonly Charge[], late: Promise<StorageReply>, taken: boolean): Promise<Decision> {
  return late.then((reply) => toDecision(charges, reply, taken));
}

function toDecision(asked: readonly Charge[], reply: StorageReply, taken: boolean): Decision {
  const { allowed, nowMicros, debtUnits, madeInstead, unixMicros } = reply;
  const charges = madeInstead ?? asked;
  if (debtUnits.length !== charges.length) throw malformed(charges, reply);
  // Most requests make one charge, and what it says is what the whole request was told.
  const said =
    charges.length === 1
      ? new PolicyDecision(charges[0]!, allowed, debtUnits[0]!, nowMicros, unixMicros, instantsOf(charges[0]!, reply, 0))
      : toPolicyDecisions(charges, reply);
  return new Decision(allowed, said, allowed && taken ? undefined : NO_RECEIPTS, madeInstead !== undefined);
}

function malformed(charges: readonly Charge[], { debtUnits }: StorageReply): StorageFailureError {
  return new StorageFailureError(`The storage answered ${debtUnits.length} of ${charges.length} charges.`);
}

function toPolicyDecisions(charges: readonly Charge[], reply: StorageReply): PolicyDecision[] {
  const { allowed, nowMicros, debtUnits, unixMicros } = reply;
  return charges.map((charge, i) => {
    const { policy, cost } = charge;
    const debt = debtUnits[i]!;
    return new PolicyDecision(
      charge,
      allowed || debt + costUnits(policy, cost) <= policy.capacityUnits,
      debt,
      nowMicros,
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
