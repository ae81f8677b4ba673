import { MemoryStorage } from 'nestjs-token-bucket';
import { ManualClock, storageContract } from 'nestjs-token-bucket/testing';

/** What an author of a storage runs, here on the storage of the package. */
export const checks = storageContract(() => {
  const clock = new ManualClock();
  return { storage: new MemoryStorage({ clock }), advanceMs: (milliseconds) => clock.advanceMs(milliseconds) };
});
