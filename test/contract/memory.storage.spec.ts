import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { describeStorage } from './storage.contract.js';

describeStorage('MemoryStorage', () => {
  const clock = new ManualClock();
  return {
    storage: new MemoryStorage({ clock }),
    advanceMs: (milliseconds) => clock.advanceMs(milliseconds),
  };
});
