import type { Decision } from '../../core/decision.js';
import { addDraft11Fields } from './draft-11.js';
import type { HeaderField, HeaderFields } from './fields.js';
import type { ResolvedHeadersOptions } from './headers.options.js';
import { addLegacyFields } from './legacy.js';
import { addRefusalFields } from './retry-after.js';

/**
 * Every header field that this package may send and that scripts of another origin see only if told so:
 * `app.enableCors({ exposedHeaders: RATE_LIMIT_HEADERS })`. Frozen; copy it to add your own.
 */
// Not typed as read-only, because the CORS options of Nest and Fastify take a mutable array.
export const RATE_LIMIT_HEADERS: string[] = Object.freeze([
  'Retry-After',
  'RateLimit',
  'RateLimit-Policy',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'X-RateLimit-Policy',
]) as string[];

/**
 * All header fields of a limited answer, each name once.
 *
 * @param unixMicros the Unix time of an instant of the storage's clock, both in integer µs.
 * @param laterSeconds added to every instant that a refusal names
 */
export function headerFields(
  decision: Decision,
  options: ResolvedHeadersOptions,
  unixMicros: (nowMicros: number) => number,
  laterSeconds = 0,
): HeaderFields {
  const fields: HeaderField[] = [];
  // Where no wait would help, none is made longer.
  const later = decision.retryAfterMs === Infinity ? 0 : laterSeconds;
  if (options.standard !== false) addDraft11Fields(fields, decision, options.partitionKey, later);
  if (options.legacy !== false) addLegacyFields(fields, decision, options.legacy, unixMicros, later);
  if (!decision.allowed) addRefusalFields(fields, decision, options.retryAfter, later);
  return fields;
}
