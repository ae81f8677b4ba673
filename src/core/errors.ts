/** Base of every error this package throws on purpose; `instanceof RateLimitError` tells them from bugs. */
export class RateLimitError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/**
 * The configuration cannot mean anything sensible. Thrown at start or by a constructor; at a request only for what start
 * could not see (a platform that hides its proxy setting, a handler that was replaced at run time).
 * The message names the value, the place it was written at, and the remedy.
 */
export class RateLimitConfigurationError extends RateLimitError {}

/** A charge that no bucket can be asked for: a fractional cost, an empty subject, an unknown policy. Nothing was charged. */
export class InvalidChargeError extends RateLimitError {}

/** A subject resolver yielded nobody, so there is no bucket to charge; strangers never share one. Nothing was charged. */
export class MissingSubjectError extends RateLimitError {}

/** Nobody may wait so long: the tokens that arrive until then are promised to others. Nothing was charged. */
export class WaitTooLongError extends RateLimitError {
  /** @param retryAfterMs milliseconds after which the same wait would be short enough, if nobody else comes. */
  constructor(
    message: string,
    readonly retryAfterMs: number,
  ) {
    super(message);
  }
}

/** The application is closing, so nobody can wait any longer. What was reserved has been given back where that is possible. */
export class LimiterClosedError extends RateLimitError {}

const STORAGE_FAILURE = Symbol.for('nestjs-token-bucket:storage-failure');

/** The storage could not answer. Not a denial: the charge may have been taken or not, and is never asked for again. */
export class StorageFailureError extends RateLimitError {
  static {
    Object.defineProperty(this.prototype, STORAGE_FAILURE, { value: true });
  }

  /** Whether the charge has certainly not been taken and will not be. */
  readonly isUncharged: boolean;

  constructor(message: string, { isUncharged = false, ...options }: ErrorOptions & { isUncharged?: boolean } = {}) {
    super(message, options);
    this.isUncharged = isUncharged;
  }
}

/** The storage did not answer before its deadline. */
export class StorageTimeoutError extends StorageFailureError {}

/** By its mark, not its class: a storage may come from another copy of this package. */
export function isStorageFailure(error: unknown): error is StorageFailureError {
  return typeof error === 'object' && error !== null && STORAGE_FAILURE in error;
}

/** Every message about configuration says what is wrong, where it is written, and what to do. */
export function misconfigured(where: string, problem: string, remedy: string): never {
  throw new RateLimitConfigurationError(`${where}: ${problem}. Remedy: ${remedy}.`);
}

/** What {@link misconfigured} does at a place that is known already. */
export type Fail = (problem: string, remedy: string) => never;

/** Names as a message lists them: in quotes; `none` where there are none. */
export function listNames(names: Iterable<string>): string {
  return [...names].map((name) => `"${name}"`).join(', ') || 'none';
}

/** What was thrown, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `value` as a reader would recognise it in a message: quoted when it is a string, never longer than a line. */
export function describeValue(value: unknown): string {
  const text =
    typeof value === 'string'
      ? JSON.stringify(value)
      : typeof value === 'function'
        ? `function ${value.name || '(anonymous)'}`
        : typeof value === 'object' && value !== null
          ? describeObject(value)
          : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function describeObject(value: object): string {
  try {
    return JSON.stringify(value) ?? Object.prototype.toString.call(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
