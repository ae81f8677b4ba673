import {
  type BucketShape,
  DEFAULT_POLICY_NAME,
  type PolicyDefinition,
  type QuotaUnit,
  type StorageFailureMode,
} from './bucket-shape.js';
import { describeValue, type Fail, misconfigured } from './errors.js';

/** The most units an empty bucket may owe: with a cost on top, doubles (here and in Lua) hold it exactly. */
export const MAX_CAPACITY_UNITS = 2 ** 51;
/** 366 days. */
export const MAX_PERIOD_SECONDS = 366 * 86_400;
/** Valid both as a structured-field String and as a Token, which a coming draft of the RateLimit fields wants. */
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** Half of a pair in UTF-16. UTF-8 cannot spell it, so a storage could take two such places for one. */
const LONE_SURROGATE = /\p{Surrogate}/u;

export function failAt(definition: PolicyDefinition, where: string): Fail {
  return (problem, remedy) => {
    // Untyped code may pass anything.
    const name = (definition as PolicyDefinition | undefined | null)?.name ?? DEFAULT_POLICY_NAME;
    return misconfigured(`Policy ${describeValue(name)} (${where})`, problem, remedy);
  };
}

export function checkedName(name: string, fail: Fail): string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    fail(
      `the name is ${describeValue(name)}; expected a letter and then at most 63 letters, digits, "_", "." or "-"`,
      'rename the policy; the name is sent in the RateLimit header fields',
    );
  }
  return name;
}

export function checkedPlace(place: unknown, fail: Fail): string {
  if (typeof place !== 'string') {
    fail(`the place is ${describeValue(place)}; expected a string`, 'write where the policy applies, or leave it out');
  }
  if (LONE_SURROGATE.test(place)) {
    fail(
      `the place is ${describeValue(place)}, which holds half of a character`,
      'make it of text that was not cut within a character',
    );
  }
  return place;
}

export function checkedInteger(option: string, value: unknown, min: number, max: number, fail: Fail): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    fail(
      `${option} is ${describeValue(value)}; expected an integer from ${min} to ${max}`,
      remedyFor(option, value, min),
    );
  }
  return value;
}

function remedyFor(option: string, value: unknown, min: number): string {
  if (typeof value === 'string')
    return 'pass a number, for example Number(process.env.…) checked by your configuration';
  if (!Number.isInteger(value)) {
    return `write ${option} as a whole number of ${option.endsWith('Seconds') ? 'seconds' : 'tokens'}`;
  }
  if ((value as number) >= min) {
    return `choose a smaller ${option}${option === 'perSeconds' ? '; it is seconds, not milliseconds' : ''}`;
  }
  return option === 'capacity'
    ? 'choose at least 1; to lift a limit use @SkipRateLimit(), to close a route refuse in a guard of yours'
    : `choose at least ${min}`;
}

export function checkedRefill(definition: PolicyDefinition, fail: Fail): [tokens: number, seconds: number] {
  const { capacity, perSeconds, refillTokens, refillSeconds }: { [option in keyof BucketShape]: unknown } = definition;
  const separate = refillTokens !== undefined || refillSeconds !== undefined;
  if (separate && perSeconds !== undefined) {
    fail(
      `perSeconds (${describeValue(perSeconds)}) stands beside refillTokens or refillSeconds`,
      'state the refill once: either perSeconds, or refillTokens with refillSeconds',
    );
  }
  if (!separate && perSeconds === undefined) {
    fail('the refill is missing', 'add perSeconds (seconds from empty to full), or refillTokens and refillSeconds');
  }
  return separate
    ? [
        checkedInteger('refillTokens', refillTokens, 1, 2 ** 51, fail),
        checkedInteger('refillSeconds', refillSeconds, 1, MAX_PERIOD_SECONDS, fail),
      ]
    : [capacity as number, checkedInteger('perSeconds', perSeconds, 1, MAX_PERIOD_SECONDS, fail)];
}

export function checkedInterval(everySeconds: unknown, tokens: number, seconds: number, fail: Fail): number {
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

const FAILURE_MODES: readonly unknown[] = ['local', 'allow', 'deny'] satisfies StorageFailureMode[];

function isFailureMode(value: unknown): value is StorageFailureMode {
  return FAILURE_MODES.includes(value);
}

export function checkedFailureMode(mode: unknown, fail: Fail): StorageFailureMode | undefined {
  if (mode === undefined || isFailureMode(mode)) return mode;
  return fail(`onStorageFailure is ${describeValue(mode)}`, 'use one of "local", "allow", "deny"');
}

export function checkedMessage(message: unknown, fail: Fail): string | undefined {
  if (message === undefined || (typeof message === 'string' && message.trim() !== '')) return message;
  return fail(
    `message is ${describeValue(message)}; expected a text`,
    'write what a refused client is told, or leave it out',
  );
}

const UNITS: readonly unknown[] = ['requests', 'content-bytes'] satisfies QuotaUnit[];

function isUnit(value: unknown): value is QuotaUnit {
  return UNITS.includes(value);
}

export function checkedQuotaUnit(unit: unknown, fail: Fail): QuotaUnit {
  if (unit === undefined) return 'requests';
  if (isUnit(unit)) return unit;
  return fail(`quotaUnit is ${describeValue(unit)}`, 'use one of "requests", "content-bytes"');
}

export function checkedMaxDebt(maxDebt: unknown, units: DebtUnits, fail: Fail): number {
  return maxDebt === undefined ? 0 : checkedInteger('maxDebt', maxDebt, 0, mostDebt(units), fail);
}

/** In what debt is counted. */
interface DebtUnits {
  readonly capacityUnits: number;
  readonly tokenUnits: number;
}

/** The most tokens that a bucket may owe beyond its capacity: all that it may owe must be countable. */
export function mostDebt({ capacityUnits, tokenUnits }: DebtUnits): number {
  return Math.floor((MAX_CAPACITY_UNITS - capacityUnits) / tokenUnits);
}
