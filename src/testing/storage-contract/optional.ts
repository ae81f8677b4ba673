import { misconfigured } from '../../core/errors.js';
import { RateLimitStorage } from '../../core/storage.js';
import type { Checks } from './contract.js';

/**
 * Checks of what a storage may leave out. Without it they would fail one by one for no fault of the storage, or pass
 * without having looked at anything; so each says what is missing, and which topic is to be left out.
 */
export function ifOverridden(member: 'owe' | 'cancel' | 'overrideStore', topic: string, checks: Checks): Checks {
  const inherited: unknown = RateLimitStorage.prototype[member];
  return Object.fromEntries(
    Object.entries(checks).map(([name, check]) => [
      name,
      async (contract) => {
        const own: unknown = contract.storage[member];
        if (own !== undefined && own !== inherited) return check(contract);
        misconfigured(
          'storageContract',
          `the storage does not override ${member}, which the topic ${JSON.stringify(topic)} is about`,
          `leave the topic out: storageContract(create).filter(({ topic }) => topic !== '${topic}')`,
        );
      },
    ]),
  );
}
