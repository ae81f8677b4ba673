import type { Charge } from '../charge.js';
import { InvalidChargeError } from '../errors.js';

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
