import type { Decision } from '../../core/decision.js';
import { type HeaderField, type HeaderFields, wholeSeconds } from './fields.js';

/** A refusal belongs to one client and one moment: RFC 6585, section 4, forbids storing it. */
const NO_STORE: HeaderField = ['Cache-Control', 'no-store'];

/** How long who could not be decided about is asked to wait, at least. */
export const UNAVAILABLE_SECONDS = 1;

/**
 * The longest wait of a refusal in whole seconds, never too short; undefined when no wait would help.
 * @param laterSeconds so much longer, where clients are not to come back all at once
 */
export function retryAfterSeconds({ retryAfterMs }: Decision, laterSeconds = 0): number | undefined {
  return retryAfterMs === Infinity ? undefined : wholeSeconds(retryAfterMs) + laterSeconds;
}

/**
 * What a refused request is told beside its limits: Retry-After as a number, the only form that every client reads
 * (RFC 9110, section 10.2.3).
 */
export function addRefusalFields(
  fields: HeaderField[],
  decision: Decision,
  retryAfter: boolean,
  laterSeconds: number,
): void {
  const seconds = retryAfter ? retryAfterSeconds(decision, laterSeconds) : undefined;
  if (seconds !== undefined) fields.push(['Retry-After', String(seconds)]);
  fields.push(NO_STORE);
}

/** For 503: no limit was reached, the storage could not be asked. */
export function unavailableFields(retryAfter: boolean, laterSeconds: number): HeaderFields {
  return retryAfter ? [['Retry-After', String(UNAVAILABLE_SECONDS + laterSeconds)], NO_STORE] : [NO_STORE];
}
