import { ManualClock } from '../../src/testing/manual-clock.js';
import { FAR_AHEAD_MICROS, storageAtClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, stateUnder, uniquePrefix } from '../support/redis-testing.js';
import { describeStorage } from './storage.contract.js';

const client = plainClient();
afterAll(() => client.quit());

describeStorage('RedisStorage', () => {
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const prefix = uniquePrefix();
  const storage = storageAtClock(client, clock, { prefix, denyCache: false });
  return {
    storage,
    advanceMs: (milliseconds) => clock.advanceMs(milliseconds),
    state: () => stateUnder(client, prefix),
    dispose: () => deleteUnder(client, prefix),
  };
});
