import { describeValue, misconfigured } from '../errors.js';
import { checkOptions } from '../options.js';
import type { Timers } from '../timers.js';

/** How limits are changed at run time. */
export interface OverridesOptions {
  /**
   * Seconds after which what another process has changed is asked for, again and again. From 0.1 to 60. Default: 1. With
   * the deadline of the storage on top, that is how long a change takes to be in force everywhere.
   */
  readonly refreshSeconds?: number | undefined;
}

/** What only the surroundings of the overrides decide. */
export interface OverridesSurroundings {
  /** Default: the machine's. */
  readonly timers?: Timers;
  /** Told once of each override that cannot be read or does not fit its limit, and is ignored. Default: nobody. */
  readonly warn?: (message: string) => void;
  /**
   * Throws for a subject that no limit spells so, given with the name of the method that was called. Default: any is one.
   */
  readonly checkSubject?: (subject: string, where: string) => void;
}

const DEFAULT_REFRESH_SECONDS = 1;
const LEAST_REFRESH_SECONDS = 0.1;
const MOST_REFRESH_SECONDS = 60;

/** @throws RateLimitConfigurationError */
export function checkedRefreshSeconds(options: OverridesOptions, where: string): number {
  checkOptions(options, ['refreshSeconds'], where);
  const { refreshSeconds = DEFAULT_REFRESH_SECONDS } = options;
  if (
    typeof refreshSeconds !== 'number' ||
    !(refreshSeconds >= LEAST_REFRESH_SECONDS && refreshSeconds <= MOST_REFRESH_SECONDS)
  ) {
    misconfigured(
      where,
      `refreshSeconds is ${describeValue(refreshSeconds)}; expected a number from ${LEAST_REFRESH_SECONDS} to ${MOST_REFRESH_SECONDS}`,
      'write how late other instances may follow, in seconds, or leave it out for 1',
    );
  }
  return refreshSeconds;
}
