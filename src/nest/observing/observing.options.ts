import { describeValue, misconfigured } from '../../core/errors.js';
import { checkOptions } from '../../core/options.js';
import type { RateLimitDecisionEvent, RateLimitStorageFailureEvent } from './request-events.js';

/**
 * What is called with requests to limited routes; each is optional. Hooks are not waited for, and what they throw or
 * reject with changes no answer: it is in the log, once per hook. Charges made in code have no route and no event.
 */
export interface RateLimitHooks {
  /** A request was admitted by all of its limits, also those after authentication. Once per request, before its handler. */
  readonly onAllowed?: ((event: RateLimitDecisionEvent) => unknown) | undefined;
  /** A request was denied, and is about to be answered with 429. Once per request. */
  readonly onDenied?: ((event: RateLimitDecisionEvent) => unknown) | undefined;
  /**
   * The storage could not be asked about a request: decided without it (and told as allowed or denied, too), or about to
   * be answered with 503. Once per such request; `onAvailability` of a `RedisStorage` tells of transitions.
   */
  readonly onStorageFailure?: ((event: RateLimitStorageFailureEvent) => unknown) | undefined;
}

/** How often the log sums up who was denied. */
export interface DenialLogOptions {
  /** Seconds from one summary to the next. Integer from 1 to 86 400. Default: 60. */
  readonly intervalSeconds?: number | undefined;
}

/** The options of the module about what it tells. */
export interface WrittenObservingOptions {
  /** What is called with requests to limited routes. Default: nothing. */
  readonly hooks?: RateLimitHooks | undefined;
  /**
   * Warns of denied clients in the log of Nest: at most ten of them and one summary per interval, however many there are,
   * and nothing while nobody is denied. Default: true, with an interval of 60 seconds.
   */
  readonly logDenials?: boolean | DenialLogOptions | undefined;
  /** Writes a table of all routes and their limits to the log of Nest when the application starts. Default: false. */
  readonly logPolicies?: boolean | undefined;
}

/** The same, checked and with their defaults. */
export interface ObservingOptions {
  readonly hooks: RateLimitHooks;
  /** Length of an interval of the log of denials; `undefined`: there is none. */
  readonly denialSeconds: number | undefined;
  readonly logPolicies: boolean;
}

const HOOKS = ['onAllowed', 'onDenied', 'onStorageFailure'] as const;
const DEFAULT_INTERVAL_SECONDS = 60;
const LONGEST_INTERVAL_SECONDS = 86_400;

/** @throws RateLimitConfigurationError for a misspelt option or a value of the wrong kind. */
export function resolveObservingOptions(written: WrittenObservingOptions, where: string): ObservingOptions {
  const { logDenials = true, logPolicies = false } = written;
  if (typeof logPolicies !== 'boolean') {
    misconfigured(where, `logPolicies is ${describeValue(logPolicies)}`, 'use true or false');
  }
  return { hooks: resolveHooks(written.hooks, where), denialSeconds: resolveDenials(logDenials, where), logPolicies };
}

function resolveHooks(hooks: RateLimitHooks = {}, where: string): RateLimitHooks {
  checkOptions(hooks, HOOKS, `${where} hooks`);
  for (const name of HOOKS) {
    const hook: unknown = hooks[name];
    if (hook === undefined || typeof hook === 'function') continue;
    misconfigured(`${where} hooks`, `${name} is ${describeValue(hook)}`, `write a function: ${name}: (event) => …`);
  }
  return hooks;
}

function resolveDenials(logDenials: boolean | DenialLogOptions, where: string): number | undefined {
  if (logDenials === false) return undefined;
  if (logDenials === true) return DEFAULT_INTERVAL_SECONDS;
  if (typeof logDenials !== 'object') {
    misconfigured(where, `logDenials is ${describeValue(logDenials)}`, 'use true, false or { intervalSeconds }');
  }
  const at = `${where} logDenials`;
  checkOptions(logDenials, ['intervalSeconds'], at);
  const { intervalSeconds = DEFAULT_INTERVAL_SECONDS } = logDenials;
  if (!Number.isInteger(intervalSeconds) || intervalSeconds < 1 || intervalSeconds > LONGEST_INTERVAL_SECONDS) {
    misconfigured(
      at,
      `intervalSeconds is ${describeValue(intervalSeconds)}; expected an integer from 1 to ${LONGEST_INTERVAL_SECONDS}`,
      'write how many seconds a summary is to cover, for example 60',
    );
  }
  return intervalSeconds;
}
