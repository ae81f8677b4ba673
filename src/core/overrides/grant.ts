import type { Charge } from '../charge.js';
import { InvalidChargeError } from '../errors.js';

/** Later than any instant of a storage: what is given back then has not decayed. */
export const GRANTED_AT_MICROS = Number.MAX_SAFE_INTEGER;

/** @throws InvalidChargeError for what cannot be granted exactly. */
export function checkGrant({ policy, cost }: Charge): void {
  const { name, algorithm, capacity } = policy;
  if (policy.windowMicros > 0) {
    throw new InvalidChargeError(
      `Policy "${name}": a "${algorithm}" counts what was taken and when, so it has no tokens that could be granted. ` +
        'Override the limit for a while, or reset the bucket.',
    );
  }
  if (cost > capacity) {
    throw new InvalidChargeError(
      `Policy "${name}": ${cost} tokens are to be granted, and a full bucket holds ${capacity}. ` +
        'Grant at most so many, or reset the bucket.',
    );
  }
}
