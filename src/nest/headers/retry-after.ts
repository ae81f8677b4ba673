import type { Decision } from '../../core/decision.js';
import { type HeaderField, type HeaderFields, wholeSeconds } from './fields.js';

/** A refusal belongs to one client and one moment: RFC 6585, section 4, forbids storing it. */
const NO_STORE: HeaderField = ['Cache-Control', 'no-store'];

const UNAVAILABLE: HeaderFields = [['Retry-After', '1'], NO_STORE];
const NO_STORE_ONLY: HeaderFields = [NO_STORE];

/** The longest wait of a refusal in whole seconds, never too short; undefined when no wait would help. */
export function retryAfterSeconds({ retryAfterMs }: Decision): number | undefined {
  return retryAfterMs === Infinity ? undefined : wholeSeconds(retryAfterMs);
}

/**
 * What a refused request is told beside its limits: Retry-After as a number, the only form that every client reads
 * (RFC 9110, section 10.2.3).
 */
export function addRefusalFields(fields: HeaderField[], decision: Decision, retryAfter: boolean): void {
  const seconds = retryAfter ? retryAfterSeconds(decision) : undefined;
  if (seconds !== undefined) fields.push(['Retry-After', String(seconds)]);
  fields.push(NO_STORE);
}

/** For 503: no limit was reached, the storage could not be asked. */
export function unavailableFields(retryAfter: boolean): HeaderFields {
  return retryAfter ? UNAVAILABLE : NO_STORE_ONLY;
}
