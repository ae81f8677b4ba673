import type { Algorithm } from './algorithm.js';
import { encodePart } from './bucket-key.js';
import {
  DEFAULT_POLICY_NAME,
  POLICY_KEYS,
  type PolicyDefinition,
  type QuotaUnit,
  type StorageFailureMode,
} from './bucket-shape.js';
import { checkOptionsOr } from './options.js';
import {
  checkedFailureMode,
  checkedMaxDebt,
  checkedMessage,
  checkedName,
  checkedPlace,
  checkedQuotaUnit,
  failAt,
} from './policy-checks.js';
import { policyNumbers } from './policy-numbers.js';

/**
 * A bucket's size and refill, with a name and a place. It is valid or it does not exist: the constructor throws a RateLimitConfigurationError.
 *
 * The refill is a reduced fraction: `refillTokens` tokens every `refillMicros` microseconds. Debt is counted in units of
 * which a token has `tokenUnits`, so all arithmetic is on integers below 2^53. In a token bucket, fixed window or leaky
 * bucket a token has `refillMicros` of them and `refillTokens` drain every microsecond.
 */
export class Policy {
  readonly name: string;
  readonly place: string;
  /** `place` and `name` joined so that no other pair gives the same text. With a subject it identifies a bucket. */
  readonly id: string;
  /** The `id`, and the algorithm where it keeps a state of its own: such buckets never meet those of other algorithms. */
  readonly stateId: string;
  /** How the limit counts. */
  readonly algorithm: Algorithm;
  /** Tokens a full bucket holds: the declared capacity, or 1 of a leaky bucket. */
  readonly capacity: number;
  /** Seconds from empty to full, rounded up. */
  readonly perSeconds: number;
  /** The capacity as declared, for telling clients: the capacity but for a leaky bucket. */
  readonly quota: number;
  /** The seconds in which that many tokens arrive: `perSeconds` but for a leaky bucket. */
  readonly quotaSeconds: number;
  /** Tokens that arrive every `refillMicros`; the two have no common divisor. */
  readonly refillTokens: number;
  /** Microseconds in which `refillTokens` arrive. */
  readonly refillMicros: number;
  /** 0: tokens arrive evenly; else they arrive at whole multiples of this many microseconds of Unix time. */
  readonly intervalMicros: number;
  /** Length of a sliding window in microseconds; 0 of algorithms that have none. */
  readonly windowMicros: number;
  /** Units of debt in one token. */
  readonly tokenUnits: number;
  /** Units of debt of an empty bucket: `capacity × tokenUnits`. */
  readonly capacityUnits: number;
  /** Tokens that a bucket may owe beyond its capacity, when a request turns out to cost more than it was charged. */
  readonly maxDebt: number;
  /** What the limit does while the storage cannot be asked; undefined: what all do. */
  readonly onStorageFailure: StorageFailureMode | undefined;
  /** What clients are told that it refuses; undefined: the usual text. */
  readonly message: string | undefined;
  /** What a token stands for. */
  readonly quotaUnit: QuotaUnit;

  /** @param where the place to name in error messages, for example `@RateLimit on ReportsController.list`. */
  constructor(definition: PolicyDefinition, where = 'new Policy') {
    const fail = failAt(definition, where);
    checkOptionsOr(definition, POLICY_KEYS, fail);
    this.name = checkedName(definition.name ?? DEFAULT_POLICY_NAME, fail);
    this.place = checkedPlace(definition.place ?? '', fail);
    this.id = this.place === '' ? this.name : `${this.place}/${this.name}`;
    const numbers = policyNumbers(definition, fail);
    this.algorithm = numbers.algorithm;
    this.stateId = this.id + numbers.stateSuffix;
    this.capacity = numbers.capacity;
    this.perSeconds = numbers.perSeconds;
    this.quota = numbers.quota;
    this.quotaSeconds = numbers.quotaSeconds;
    this.refillTokens = numbers.refillTokens;
    this.refillMicros = numbers.refillMicros;
    this.intervalMicros = numbers.intervalMicros;
    this.windowMicros = numbers.windowMicros;
    this.tokenUnits = numbers.tokenUnits;
    this.capacityUnits = this.capacity * this.tokenUnits;
    this.maxDebt = checkedMaxDebt(definition.maxDebt, this, fail);
    this.onStorageFailure = checkedFailureMode(definition.onStorageFailure, fail);
    this.message = checkedMessage(definition.message, fail);
    this.quotaUnit = checkedQuotaUnit(definition.quotaUnit, fail);
  }

  /** Whether both describe the same bucket in the same way, so that charging through either is the same. */
  agreesWith(other: Policy): boolean {
    return (
      this.id === other.id &&
      this.algorithm === other.algorithm &&
      this.capacity === other.capacity &&
      this.refillTokens === other.refillTokens &&
      this.refillMicros === other.refillMicros &&
      this.intervalMicros === other.intervalMicros
    );
  }
}

/** What a policy is known and told by, for another of the same buckets with other numbers. */
export function withoutNumbers(policy: Policy): Pick<PolicyDefinition, 'name' | 'place' | 'message' | 'quotaUnit'> {
  const { name, place, message, quotaUnit } = policy;
  return { name, place, quotaUnit, ...(message === undefined ? {} : { message }) };
}

/** A place from its parts (module, controller, handler …), joined so that no other list of parts gives the same text. */
export function placeOf(...parts: readonly string[]): string {
  return parts.map(encodePart).join('/');
}
