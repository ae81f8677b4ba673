import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryState } from './memory-state.js';
import { describeStorage } from './storage.contract.js';

describeStorage('MemoryStorage', () => {
  const clock = new ManualClock();
  const storage = new MemoryStorage({ clock });
  return {
    storage,
    advanceMs: (milliseconds) => clock.advanceMs(milliseconds),
    state: () => memoryState(storage),
  };
});
