import { encodePart } from './bucket-key.js';
import { describeValue, misconfigured } from './errors.js';

/** Tokens and the time in which an empty bucket becomes full again. */
export interface CapacityPerSeconds {
  /** Tokens a full bucket holds: the largest burst. Integer ≥ 1. */
  readonly capacity: number;
  /** Seconds to refill from empty to full. Integer from 1 to 31 622 400 (366 days). */
  readonly perSeconds: number;
  readonly refillTokens?: undefined;
  readonly refillSeconds?: undefined;
  /** Tokens arrive in whole steps every so many seconds instead of evenly. Integer ≥ 1; each step must bring whole tokens. */
  readonly refillEverySeconds?: number;
}

/** Tokens and a refill that is stated on its own: `refillTokens` more every `refillSeconds`, evenly. */
export interface CapacityAndRefill {
  /** Tokens a full bucket holds: the largest burst. Integer ≥ 1. */
  readonly capacity: number;
  /** Tokens that arrive in `refillSeconds`. Integer ≥ 1. */
  readonly refillTokens: number;
  /** Seconds in which `refillTokens` arrive. Integer from 1 to 31 622 400 (366 days). */
  readonly refillSeconds: number;
  readonly perSeconds?: undefined;
  /** Tokens arrive in whole steps every so many seconds instead of evenly. Integer ≥ 1; each step must bring whole tokens. */
  readonly refillEverySeconds?: number;
}

/** What a bucket holds and how it refills. */
export type BucketShape = CapacityPerSeconds | CapacityAndRefill;

/** A rule to be checked: its shape, its name and the place it is declared at. */
export type PolicyDefinition = BucketShape & {
  /** A letter, then up to 63 letters, digits, `_`, `.` or `-`. Default: `default`. */
  readonly name?: string;
  /** Where the policy is declared; with name and subject it identifies a bucket. Default: `''`, the application itself. */
  readonly place?: string;
};

/** The option names that describe a bucket, for callers that check for misspelt ones. */
export const BUCKET_SHAPE_KEYS: readonly string[] = [
  'capacity',
  'perSeconds',
  'refillTokens',
  'refillSeconds',
  'refillEverySeconds',
];

/** The name of a limit that was given none. */
export const DEFAULT_POLICY_NAME = 'default';

const MAX_PERIOD_SECONDS = 366 * 86_400;
/** Debt stays at most twice this, so doubles (in TypeScript and in Lua) hold every intermediate value exactly. */
const MAX_CAPACITY_UNITS = 2 ** 51;
/** Valid both as a structured-field String and as a Token, which a coming draft of the RateLimit fields wants. */
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/**
 * A validated rule. It is valid or it does not exist: the constructor throws a RateLimitConfigurationError.
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
  /** Whole microseconds that an empty bucket's arrival time lies ahead of now; farther ahead counts as empty. */
  readonly maxAheadMicros: number;

  /** @param where the place to name in error messages, for example `@RateLimit on ReportsController.list`. */
  constructor(definition: PolicyDefinition, where = 'new Policy') {
    const fail = failAt(definition, where);
    this.name = checkedName(definition.name ?? DEFAULT_POLICY_NAME, fail);
    this.place = definition.place ?? '';
    this.id = this.place === '' ? this.name : `${this.place}/${this.name}`;
    this.capacity = checkedInteger('capacity', definition.capacity, 1, Number.MAX_SAFE_INTEGER, fail);

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
    this.maxAheadMicros = Math.floor(this.capacityUnits / this.refillTokens);
    this.intervalMicros = checkedInterval(definition.refillEverySeconds, tokens, seconds, fail);
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

type Fail = (problem: string, remedy: string) => never;

function failAt(definition: PolicyDefinition, where: string): Fail {
  const name = describeValue(definition.name ?? DEFAULT_POLICY_NAME);
  return (problem, remedy) => misconfigured(`Policy ${name} (${where})`, problem, remedy);
}

function checkedName(name: string, fail: Fail): string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    fail(
      `the name is ${describeValue(name)}; expected a letter and then at most 63 letters, digits, "_", "." or "-"`,
      'rename the policy; the name is sent in the RateLimit header fields',
    );
  }
  return name;
}

function checkedInteger(option: string, value: unknown, min: number, max: number, fail: Fail): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    fail(
      `${option} is ${describeValue(value)}; expected an integer from ${min} to ${max}`,
      typeof value === 'string'
        ? 'pass a number, for example Number(process.env.…) checked by your configuration'
        : `write ${option} as a whole number of ${option.endsWith('Seconds') ? 'seconds' : 'tokens'}`,
    );
  }
  return value;
}

function checkedRefill(definition: PolicyDefinition, fail: Fail): [tokens: number, seconds: number] {
  const { capacity, perSeconds, refillTokens, refillSeconds }: { [option in keyof BucketShape]: unknown } = definition;
  const separate = refillTokens !== undefined || refillSeconds !== undefined;
  if (separate && perSeconds !== undefined) {
    fail(
      `perSeconds (${describeValue(perSeconds)}) stands beside refillTokens or refillSeconds`,
      'state the refill once: either perSeconds, or refillTokens with refillSeconds',
    );
  }
  if (!separate && perSeconds === undefined) {
    fail(
      'the refill is missing',
      'add perSeconds (seconds from empty to full), or refillTokens and refillSeconds',
    );
  }
  return separate
    ? [
        checkedInteger('refillTokens', refillTokens, 1, 2 ** 51, fail),
        checkedInteger('refillSeconds', refillSeconds, 1, MAX_PERIOD_SECONDS, fail),
      ]
    : [capacity as number, checkedInteger('perSeconds', perSeconds, 1, MAX_PERIOD_SECONDS, fail)];
}

function checkedInterval(everySeconds: unknown, tokens: number, seconds: number, fail: Fail): number {
  if (everySeconds === undefined) return 0;
  const every = checkedInteger('refillEverySeconds', everySeconds, 1, MAX_PERIOD_SECONDS, fail);
  // BigInt: the product of two valid options can pass 2^53, and this runs once per policy.
  const tokensTimesSeconds = BigInt(tokens) * BigInt(every);
  if (tokensTimesSeconds % BigInt(seconds) !== 0n) {
    fail(
      `refillEverySeconds is ${every}, which brings ${tokens} × ${every} / ${seconds} tokens a step; expected whole tokens`,
      'choose a step in which whole tokens arrive, for example the whole period',
    );
  }
  // Units that drain in one step; the same bound as for the capacity keeps waits exact.
  if (tokensTimesSeconds * 1_000_000n > BigInt(MAX_CAPACITY_UNITS)) {
    fail(
      `refillEverySeconds is ${every}, which brings ${tokensTimesSeconds / BigInt(seconds)} tokens a step: too many to count exactly`,
      'choose a shorter step or fewer tokens',
    );
  }
  return every * 1_000_000;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
