import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { OutageStorage } from '../../src/storage/outage/outage.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryState } from './memory-state.js';
import { describeStorage } from './storage.contract.js';

// What goes through it must come out as it went in, as long as there is no outage.
describeStorage('OutageStorage', () => {
  const clock = new ManualClock();
  // That which may be away, and those in which the answers of an outage are counted.
  const memories = [new MemoryStorage({ clock })];
  const makeMemory = () => memories[memories.push(new MemoryStorage()) - 1]!;
  return {
    storage: new OutageStorage(memories[0]!, { onStorageFailure: 'local', instances: 2, makeMemory }),
    advanceMs: (milliseconds) => clock.advanceMs(milliseconds),
    state: () => memories.map(memoryState).filter(Boolean).join('\n\n'),
  };
});
