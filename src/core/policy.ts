import { encodePart } from './bucket-key.js';
import { DEFAULT_POLICY_NAME, type PolicyDefinition, type StorageFailureMode } from './bucket-shape.js';
import {
  checkedFailureMode,
  checkedInteger,
  checkedInterval,
  checkedName,
  checkedPlace,
  checkedRefill,
  failAt,
  MAX_CAPACITY_UNITS,
} from './policy-checks.js';

/**
 * A bucket's size and refill, with a name and a place. It is valid or it does not exist: the constructor throws a RateLimitConfigurationError.
 *
 * The refill is a reduced fraction: `refillTokens` tokens every `refillMicros` microseconds. Debt is counted in units of
 * which a token has `refillMicros` and `refillTokens` drain every microsecond, so all arithmetic is on integers below 2^53.
 */
export class Policy {
  readonly name: string;
  readonly place: string;
  /** `place` and `name` joined so that no other pair gives the same text. With a subject it identifies a bucket. */
  readonly id: string;
  /** Tokens a full bucket holds. */
  readonly capacity: number;
  /** Seconds from empty to full, rounded up. */
  readonly perSeconds: number;
  /** Tokens that arrive every `refillMicros`; the two have no common divisor. */
  readonly refillTokens: number;
  /** Microseconds in which `refillTokens` arrive; at the same time the units of debt in one token. */
  readonly refillMicros: number;
  /** 0: tokens arrive evenly; else they arrive at whole multiples of this many microseconds of Unix time. */
  readonly intervalMicros: number;
  /** Units of debt of an empty bucket: `capacity × refillMicros`. */
  readonly capacityUnits: number;
  /** What the limit does while the storage cannot be asked; undefined: what all do. */
  readonly onStorageFailure: StorageFailureMode | undefined;

  /** @param where the place to name in error messages, for example `@RateLimit on ReportsController.list`. */
  constructor(definition: PolicyDefinition, where = 'new Policy') {
    const fail = failAt(definition, where);
    this.name = checkedName(definition.name ?? DEFAULT_POLICY_NAME, fail);
    this.place = checkedPlace(definition.place ?? '', fail);
    this.id = this.place === '' ? this.name : `${this.place}/${this.name}`;
    this.capacity = checkedInteger('capacity', definition.capacity, 1, MAX_CAPACITY_UNITS, fail);

    const [tokens, seconds] = checkedRefill(definition, fail);
    const divisor = greatestCommonDivisor(tokens, seconds * 1_000_000);
    this.refillTokens = tokens / divisor;
    this.refillMicros = (seconds * 1_000_000) / divisor;
    this.capacityUnits = this.capacity * this.refillMicros;
    if (this.capacityUnits > MAX_CAPACITY_UNITS) {
      fail(
        `capacity ${this.capacity} with ${tokens} tokens per ${seconds} s is too fine to count exactly: ` +
          `capacity × period in µs, reduced by the common divisor, is ${this.capacityUnits}; expected at most 2^51`,
        'choose numbers with a common divisor (for example a capacity that divides the period), a smaller capacity or a shorter period',
      );
    }
    this.perSeconds = definition.perSeconds ?? Math.ceil((this.capacity * seconds) / tokens);
    this.intervalMicros = checkedInterval(definition.refillEverySeconds, tokens, seconds, fail);
    this.onStorageFailure = checkedFailureMode(definition.onStorageFailure, fail);
  }

  /** Whether both describe the same bucket in the same way, so that charging through either is the same. */
  agreesWith(other: Policy): boolean {
    return (
      this.id === other.id &&
      this.capacity === other.capacity &&
      this.refillTokens === other.refillTokens &&
      this.refillMicros === other.refillMicros &&
      this.intervalMicros === other.intervalMicros
    );
  }
}

/** A place from its parts (module, controller, handler …), joined so that no other list of parts gives the same text. */
export function placeOf(...parts: readonly string[]): string {
  return parts.map(encodePart).join('/');
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
