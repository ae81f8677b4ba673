import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { OutageStorage } from '../../src/storage/outage/outage.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { describeStorage } from './storage.contract.js';

// What goes through it must come out as it went in, as long as there is no outage.
describeStorage('OutageStorage', () => {
  const clock = new ManualClock();
  return {
    storage: new OutageStorage(new MemoryStorage({ clock }), { onStorageFailure: 'local', instances: 2 }),
    advanceMs: (milliseconds) => clock.advanceMs(milliseconds),
  };
});
