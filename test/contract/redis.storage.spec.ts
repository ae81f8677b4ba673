import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { withScriptClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, stateUnder, uniquePrefix } from '../support/redis-testing.js';
import { describeStorage } from './storage.contract.js';

/** 2100-01-01, which no server's clock has reached: Redis must not expire what is still to be read. */
const FAR_AHEAD_MICROS = 4_102_444_800_000_000;

const client = plainClient();
afterAll(() => client.quit());

describeStorage('RedisStorage', () => {
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const prefix = uniquePrefix();
  const storage = new RedisStorage({
    client: withScriptClock(client, clock),
    reuseConnection: true,
    prefix,
    // The contract is about answers, not about how soon they come.
    deadlineMs: 10_000,
    denyCache: false,
  });
  return {
    storage,
    advanceMs: (milliseconds) => clock.advanceMs(milliseconds),
    state: () => stateUnder(client, prefix),
    dispose: () => deleteUnder(client, prefix),
  };
});
