import { describeValue, type Fail, misconfigured } from './errors.js';

/**
 * A misspelt option would otherwise be a default that nobody asked for.
 * @throws RateLimitConfigurationError for what is no object, or has an option that is not known.
 */
export function checkOptions(options: unknown, known: readonly string[], where: string): void {
  checkOptionsOr(options, known, (problem, remedy) => misconfigured(where, problem, remedy));
}

/** The same where the place takes some making. */
export function checkOptionsOr(options: unknown, known: readonly string[], fail: Fail): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return fail(`the options are ${describeValue(options)}`, `pass an object with any of ${known.join(', ')}`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) fail(`unknown option ${describeValue(key)}`, `the options are ${known.join(', ')}`);
  }
}
