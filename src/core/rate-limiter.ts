import type { Charge } from './charge.js';
import { type BucketRequest, type ChargeRequest, ChargeRequests } from './charge-requests.js';
import { DeclaredPolicies } from './declared-policies.js';
import { Decision, type Receipt } from './decision.js';
import { checkGrant } from './overrides/grant.js';
import { checkOptions } from './options.js';
import { type Overrides, overridesOf } from './overrides/overrides.js';
import type { Policy } from './policy.js';
import { PolicyCounters, type PolicyCounts } from './policy-counts.js';
import { checkReceipt, settlementOf } from './settlement.js';
import type { MaybePromise, RateLimitStorage, StorageReply } from './storage.js';
import { toDecision } from './to-decision.js';
import { resetBuckets } from './waiting-rooms.js';

/** What a limiter can do beside deciding. */
export interface RateLimiterOptions {
  /** Whether limits can be changed and subjects blocked at run time, by `RateLimitOverrides`. Default: false. */
  readonly overrides?: boolean;
  /** Policies that requests may name as one, by that name: a request about it is one about each of them. Default: none. */
  readonly groups?: ReadonlyMap<string, readonly Policy[]>;
}

/** The receipts that were given back; of all limiters together, because two of them may ask one storage. */
const SPENT = new WeakSet<Receipt>();

/**
 * Asks the storage and turns its replies into decisions. Needs neither HTTP nor Nest. Methods answer synchronously
 * where the storage does (memory) and with a promise where it cannot (Redis); `await` serves both.
 */
export class RateLimiter {
  private readonly declared: DeclaredPolicies;
  private readonly requests: ChargeRequests;
  private readonly counters = new PolicyCounters();
  /** What was decided at run time; undefined where nothing can be. */
  readonly overrides: Overrides | undefined;

  /**
   * @param policies the policies that requests may name instead of handing over.
   * @throws RateLimitConfigurationError for two of one name, groups included, for options that it does not know, and for
   *   overrides with a storage that does not keep them
   */
  constructor(
    readonly storage: RateLimitStorage,
    policies: Iterable<Policy> = [],
    options: RateLimiterOptions = {},
  ) {
    checkOptions(options, ['overrides', 'groups'], 'new RateLimiter');
    const { overrides = false, groups } = options;
    this.overrides = overrides ? overridesOf(storage, 'new RateLimiter overrides') : undefined;
    this.declared = new DeclaredPolicies(policies, groups);
    this.requests = new ChargeRequests(this.declared);
    this.declare(this.declared.all);
  }

  /**
   * What became of all questions to {@link consume}, those of routes included, by policy: first those that are declared,
   * then those that code made, in the order in which they were first asked about. A copy: read it again for newer numbers.
   */
  get counts(): readonly PolicyCounts[] {
    return this.counters.all;
  }

  /**
   * Has {@link counts} tell of these policies from now on, before anything is asked about them, and lets requests name
   * those that have a place by their `id`. Of others it tells from their first question, of at most 1000; the rest are
   * counted together. The module declares those of all routes.
   */
  declare(policies: Iterable<Policy>): void {
    for (const policy of policies) {
      this.declared.know(policy);
      this.counters.declare(policy);
    }
  }

  /**
   * Takes the tokens of all charges, or of none if one of them must be denied; a denial changes nothing. Charges on
   * one bucket are added up first.
   * @throws InvalidChargeError (nothing was charged) · StorageFailureError (it is unknown whether it was charged)
   */
  consume(charges: ChargeRequest | readonly ChargeRequest[]): MaybePromise<Decision> {
    const checked = this.requests.toCharges(charges);
    return this.overrides === undefined ? this.take(checked) : this.takeOverridden(checked, this.overrides);
  }

  /** The answer that {@link consume} would give now, taking nothing: `remaining` counts before the cost. */
  peek(charges: ChargeRequest | readonly ChargeRequest[]): MaybePromise<Decision> {
    const asked = this.requests.toCharges(charges);
    const checked = this.overrides?.apply(asked) ?? asked;
    if (checked instanceof Decision) return checked;
    const reply = this.storage.peek(checked);
    return reply instanceof Promise ? toLateAnswer(checked, reply) : toDecision(checked, reply, false);
  }

  /**
   * Gives back what an allowed decision took, less what has refilled since: a bucket never holds more than if the
   * charge had not been made. A receipt counts once; giving it again gives nothing back and answers `false`.
   * @throws InvalidChargeError for what is no receipt
   */
  refund(receipt: Receipt): MaybePromise<boolean> {
    checkReceipt(receipt);
    if (SPENT.has(receipt)) return false;
    SPENT.add(receipt);
    const done = this.storage.refund(receipt.charges, receipt.takenAtMicros);
    return done instanceof Promise ? done.then(() => true) : true;
  }

  /**
   * Corrects what an allowed decision took, when it is known what it really cost: integers ≥ 0, one for all its charges or
   * by a function of each. What was taken beyond that is given back like a {@link refund}; what it cost beyond the charge
   * is owed by the bucket, which then holds less than nothing, at most as far as the policy's `maxDebt`. A receipt is
   * refunded or settled once; doing so again changes nothing and answers `false`.
   * @throws InvalidChargeError for what is no receipt, and for what is no cost: the receipt can be settled still
   */
  settle(receipt: Receipt, costs: number | ((charge: Charge) => number)): MaybePromise<boolean> {
    checkReceipt(receipt);
    if (SPENT.has(receipt)) return false;
    const { excess, overrun } = settlementOf(receipt, costs);
    SPENT.add(receipt);
    const back = excess.length === 0 ? undefined : this.storage.refund(excess, receipt.takenAtMicros);
    const owed = overrun.length === 0 ? undefined : this.storage.owe(overrun);
    if (!(back instanceof Promise || owed instanceof Promise)) return true;
    return Promise.all([back, owed]).then(() => true);
  }

  /**
   * Makes buckets full, as if nothing had been taken from them. Who waits for one in this process goes as soon as that
   * allows; who waits in another keeps his time.
   */
  reset(buckets: BucketRequest | readonly BucketRequest[]): MaybePromise<void> {
    return resetBuckets(this.storage, this.requests.toCharges(buckets));
  }

  /**
   * Gives tokens to a bucket at once, until it is full and no further.
   * @param tokens integer from 1 to the capacity, of a group to the smallest of its capacities
   * @throws InvalidChargeError for other numbers · StorageFailureError
   */
  grant(bucket: BucketRequest, tokens: number): MaybePromise<void> {
    const charges = this.requests.toCharges({ policy: bucket.policy, subject: bucket.subject, cost: tokens ?? NaN });
    const granted = charges.map((charge) => ({ ...charge, policy: this.overrides?.policyOf(charge) ?? charge.policy }));
    granted.forEach(checkGrant);
    return this.storage.grant(granted);
  }

  /** Counts what becomes of one who waits for tokens, which this limiter is not asked for. */
  async countWait(charge: Charge, waiting: Promise<Decision>): Promise<Decision> {
    try {
      const decision = await waiting;
      this.counters.count([charge], decision);
      return decision;
    } catch (error) {
      this.counters.countUnserved(charge, error);
      throw error;
    }
  }

  private take(charges: readonly Charge[]): MaybePromise<Decision> {
    const reply = this.ask(charges);
    return reply instanceof Promise ? this.concludeLate(charges, reply) : this.conclude(charges, reply);
  }

  private ask(charges: readonly Charge[]): MaybePromise<StorageReply> {
    try {
      return this.storage.consume(charges);
    } catch (error) {
      this.counters.countFailure(charges, error);
      throw error;
    }
  }

  private takeOverridden(asked: readonly Charge[], overrides: Overrides): MaybePromise<Decision> {
    const charges = overrides.apply(asked);
    if (!(charges instanceof Decision)) return this.take(charges);
    this.counters.count(charges.policies, charges);
    return charges;
  }

  private conclude(charges: readonly Charge[], reply: StorageReply): Decision {
    const decision = toDecision(charges, reply, true);
    this.counters.count(charges, decision);
    return decision;
  }

  // Apart from `consume`: closures in it would cost every synchronous answer their context.
  private concludeLate(charges: readonly Charge[], late: Promise<StorageReply>): Promise<Decision> {
    return late.then(
      (reply) => this.conclude(charges, reply),
      (error: unknown) => {
        this.counters.countFailure(charges, error);
        throw error;
      },
    );
  }

  /** The declared policy of this name or id. @throws InvalidChargeError */
  policyNamed(name: string): Policy {
    return this.declared.named(name);
  }

  /** The same, if there is one. */
  findPolicy(name: string): Policy | undefined {
    return this.declared.find(name);
  }
}

// Apart from the methods: a closure in them would cost every synchronous answer its context.
function toLateAnswer(charges: readonly Charge[], late: Promise<StorageReply>): Promise<Decision> {
  return late.then((reply) => toDecision(charges, reply, false));
}
