import type { Charge } from '../charge.js';
import { InvalidChargeError } from '../errors.js';

/**
 * Later than any instant of a storage: what is given back then has not decayed. A sliding window has no charge of that
 * instant, and takes it for a grant.
 */
export const GRANTED_AT_MICROS = Number.MAX_SAFE_INTEGER;

/** @throws InvalidChargeError for more than a full bucket holds. */
export function checkGrant({ policy, cost }: Charge): void {
  const { name, capacity } = policy;
  if (cost > capacity) {
    throw new InvalidChargeError(
      `Policy "${name}": ${cost} tokens are to be granted, and a full bucket holds ${capacity}. ` +
        'Grant at most so many, or reset the bucket.',
    );
  }
}
