import { describeValue, misconfigured } from './errors.js';
import type { Policy } from './policy.js';
import { longestWaitMicros } from './reservation.js';

/** How somebody waits for tokens. */
export interface WaitOptions {
  /** Tokens to take. Integer ≥ 1. Default: 1. */
  readonly cost?: number | undefined;
  /** Ends the wait: it then fails with the signal's reason, and the tokens are those of whoever waits behind. */
  readonly signal?: AbortSignal | undefined;
  /** The longest wait in milliseconds, 0 or more. A longer one is refused at once. Default: as long as it takes. */
  readonly maxWaitMs?: number | undefined;
}

/** The names of {@link WaitOptions}. */
export const WAIT_OPTIONS: readonly string[] = ['cost', 'signal', 'maxWaitMs'];

/**
 * The longest wait in integer microseconds.
 * @param policy as it is declared
 * @param counted the same with the numbers of the moment; where those cannot count as far, the wait is as long as they can
 * @throws RateLimitConfigurationError for options that cannot be meant
 */
export function checkedMaxWaitMicros(options: WaitOptions, policy: Policy, where: string, counted = policy): number {
  const { signal } = options;
  if (signal !== undefined && typeof (signal as Partial<AbortSignal> | null)?.addEventListener !== 'function') {
    misconfigured(where, `signal is ${describeValue(signal)}`, 'pass an AbortSignal, or leave it out');
  }
  const maxWaitMs = checkedMaxWaitMs(options.maxWaitMs, where);
  const longest = longestWaitMicros(policy);
  const maxWaitMicros = Math.floor(maxWaitMs * 1000);
  if (maxWaitMs !== Infinity && maxWaitMicros > longest) {
    misconfigured(
      where,
      `maxWaitMs is ${maxWaitMs}, and with the numbers of policy "${policy.name}" at most ${Math.floor(longest / 1000)} can be counted exactly`,
      'lower it, or leave it out to wait as long as it takes',
    );
  }
  return Math.min(maxWaitMicros, longestWaitMicros(counted));
}

/** The longest wait in milliseconds as far as no policy has to be known for it; `Infinity` where none is said. */
export function checkedMaxWaitMs(maxWaitMs: unknown, where: string): number {
  if (maxWaitMs === undefined) return Infinity;
  if (typeof maxWaitMs === 'number' && maxWaitMs >= 0) return maxWaitMs;
  return misconfigured(where, `maxWaitMs is ${describeValue(maxWaitMs)}`, 'write a number of milliseconds, 0 or more');
}
