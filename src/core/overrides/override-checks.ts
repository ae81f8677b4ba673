import { describeValue, RateLimitConfigurationError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { Policy } from '../policy.js';
import { MAX_PERIOD_SECONDS } from '../policy-checks.js';
import { InvalidOverrideError } from './override-errors.js';
import { overriddenPolicy } from './overridden-policy.js';
import {
  EVERY_SUBJECT,
  numbersOf,
  OVERRIDE_NUMBERS,
  OVERRIDE_OPTIONS,
  type OverriddenSubject,
  type OverrideDefinition,
  type OverrideNumbers,
  type OverrideOptions,
} from './override.js';

/** Every process keeps them all. */
export const MAX_SUBJECT_LENGTH = 1024;
const MAX_REASON_LENGTH = 200;

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** @throws InvalidOverrideError */
export function checkedSubject(subject: unknown, where: string): string {
  if (!isText(subject)) {
    return invalid(
      where,
      `the subject is ${describeValue(subject)}; expected a non-empty string`,
      'name who is limited as limits spell it, such as "user:42"',
    );
  }
  return checkedLength('the subject', subject, MAX_SUBJECT_LENGTH, where);
}

/** The subject; undefined stands for every one. @throws InvalidOverrideError */
export function checkedOverridden(subject: OverriddenSubject, where: string): string | undefined {
  return subject === EVERY_SUBJECT ? undefined : checkedSubject(subject, where);
}

/** The policy's id, which is kept with each override. @throws InvalidOverrideError */
export function checkedId(id: string, where: string): string {
  return checkedLength('the place and name of the policy', id, MAX_SUBJECT_LENGTH, where);
}

/** The numbers, where that policy can have them. @throws InvalidOverrideError */
export function checkedNumbers(policy: Policy, definition: OverrideDefinition, where: string): OverrideNumbers {
  return orInvalid(() => {
    checkOptions(definition, [...OVERRIDE_NUMBERS, ...OVERRIDE_OPTIONS], where);
    const numbers = numbersOf(definition);
    overriddenPolicy(policy, numbers, where);
    return numbers;
  });
}

/** @throws InvalidOverrideError */
export function checkedBlockOptions(options: OverrideOptions, where: string): void {
  orInvalid(() => checkOptions(options, OVERRIDE_OPTIONS, where));
}

/** 0 where there is no end. @throws InvalidOverrideError */
export function checkedLifetimeMicros({ expiresInSeconds }: OverrideOptions, where: string): number {
  if (expiresInSeconds === undefined) return 0;
  if (Number.isInteger(expiresInSeconds) && expiresInSeconds >= 1 && expiresInSeconds <= MAX_PERIOD_SECONDS) {
    return expiresInSeconds * 1_000_000;
  }
  return invalid(
    where,
    `expiresInSeconds is ${describeValue(expiresInSeconds)}; expected an integer from 1 to ${MAX_PERIOD_SECONDS}`,
    'write the seconds from now, or leave it out for no end',
  );
}

/** What there is of a reason. @throws InvalidOverrideError */
export function checkedReason({ reason }: OverrideOptions, where: string): { readonly reason?: string } {
  if (reason === undefined) return {};
  if (!isText(reason)) {
    return invalid(where, `reason is ${describeValue(reason)}; expected a text`, 'write why, or leave it out');
  }
  return { reason: checkedLength('reason', reason, MAX_REASON_LENGTH, where) };
}

function checkedLength(what: string, text: string, most: number, where: string): string {
  if (text.length <= most) return text;
  return invalid(
    where,
    `${what} has ${text.length} characters (${describeValue(text)}); expected at most ${most}`,
    'use a shorter text: every process keeps it',
  );
}

/** What is wrong with an override is no mistake of the configuration: it may come from whoever uses an admin page. */
function orInvalid<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof RateLimitConfigurationError) throw new InvalidOverrideError(error.message, { cause: error });
    throw error;
  }
}

function invalid(where: string, problem: string, remedy: string): never {
  throw new InvalidOverrideError(`${where}: ${problem}. Remedy: ${remedy}.`);
}
