import { describeValue, misconfigured } from '../../core/errors.js';

/** A misspelt option would otherwise be a default that nobody asked for. */
export function checkOptions(options: unknown, known: readonly string[], where: string): void {
  if (typeof options !== 'object' || options === null) {
    misconfigured(where, `the options are ${describeValue(options)}`, `pass an object with any of ${known.join(', ')}`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      misconfigured(where, `unknown option ${describeValue(key)}`, `the options are ${known.join(', ')}`);
    }
  }
}
