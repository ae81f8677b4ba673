import { LateStorage } from '../../test/support/late-storage.js';
import { quiet, VirtualTime } from '../../test/support/virtual-time.js';
import { Policy } from './policy.js';
import { PolicyLimiter } from './policy-limiter.js';
import { RateLimiter } from './rate-limiter.js';

const SUBJECT = 'everyone';
const ONE_WAY_MS = 10;
const ROUND_TRIP_MICROS = 2 * ONE_WAY_MS * 1000;

describe('Resets whose answers are on the way, with one token a second', () => {
  let time: VirtualTime;
  let storage: LateStorage;
  let limiter: PolicyLimiter;
  let gone: number;

  beforeEach(() => {
    time = new VirtualTime(1_800_000_000_000_000);
    storage = new LateStorage(time, ONE_WAY_MS);
    const policy = new Policy({ name: 'calls', capacity: 1, perSeconds: 1 });
    limiter = new PolicyLimiter(new RateLimiter(storage), policy, time);
    gone = 0;
  });

  function wait(count: number, signal?: AbortSignal): void {
    for (let i = 0; i < count; i++) void limiter.wait(SUBJECT, { signal }).then(() => gone++, ignore);
  }

  /** Seconds until one more token would be there: one for each that is promised and has not arrived. */
  async function secondsOwed(): Promise<number> {
    const peeked = Promise.resolve(limiter.peek(SUBJECT));
    await time.pass(ROUND_TRIP_MICROS);
    return Math.ceil((await peeked).retryAfterMs / 1000);
  }

  function reset(): void {
    void Promise.resolve(limiter.reset(SUBJECT)).catch(ignore);
  }

  it.each([1, 2, 4])('%i at once have who waits asked for once', async (resets) => {
    wait(5);
    await time.pass(ROUND_TRIP_MICROS);
    expect(gone).toBe(1);
    for (let i = 0; i < resets; i++) reset();
    await time.pass(2 * ROUND_TRIP_MICROS);
    expect(gone).toBe(2);
    // One has gone and three wait.
    expect(await secondsOwed()).toBe(4);
    await time.pass(3_000_000);
    expect(gone).toBe(5);
  });

  it('one after the other, of which each is sent before the answer to the one before, have them asked for once', async () => {
    wait(5);
    await time.pass(ROUND_TRIP_MICROS);
    for (let i = 0; i < 4; i++) {
      reset();
      await time.pass(ROUND_TRIP_MICROS / 4);
    }
    await time.pass(2 * ROUND_TRIP_MICROS);
    expect(gone).toBe(2);
    expect(await secondsOwed()).toBe(4);
  });

  it.each([
    ['before one', 0, 1],
    ['between two', 1, 1],
    ['after one', 1, 0],
    ['after two', 2, 0],
  ])('what is asked for %s is charged once', async (_when, resetsBefore, resetsAfter) => {
    wait(3);
    await time.pass(ROUND_TRIP_MICROS);
    for (let i = 0; i < resetsBefore; i++) reset();
    wait(3);
    for (let i = 0; i < resetsAfter; i++) reset();
    await time.pass(2 * ROUND_TRIP_MICROS);
    expect(gone).toBe(2);
    // One has gone after the reset and four wait.
    expect(await secondsOwed()).toBe(5);
    await time.pass(4_000_000);
    expect(gone).toBe(6);
  });

  it('the last of which fails have asked for again what was asked for before the one that did not', async () => {
    wait(4);
    await time.pass(ROUND_TRIP_MICROS);
    reset();
    wait(2);
    storage.resetsFail = true;
    reset();
    await time.pass(2 * ROUND_TRIP_MICROS);
    // The first of the two reserved what had arrived.
    expect(gone).toBe(2);
    expect(await secondsOwed()).toBe(5);
    await time.pass(4_000_000);
    expect(gone).toBe(6);
  });

  it('that fail leave everybody his time', async () => {
    wait(4);
    await time.pass(ROUND_TRIP_MICROS);
    storage.resetsFail = true;
    reset();
    reset();
    await time.pass(2 * ROUND_TRIP_MICROS);
    expect(gone).toBe(1);
    expect(await secondsOwed()).toBe(4);
    await time.pass(3_000_000);
    expect(gone).toBe(4);
  });

  it.each([0, 1, 2, 3])('leave nothing reserved for those who go away after %i ways', async (ways) => {
    const leaving = new AbortController();
    wait(8, leaving.signal);
    await time.pass(ROUND_TRIP_MICROS);
    reset();
    reset();
    await time.pass(ways * ONE_WAY_MS * 1000);
    await quiet();
    leaving.abort();
    await time.pass(3 * ROUND_TRIP_MICROS);
    expect(await secondsOwed()).toBeLessThanOrEqual(1);
  });
});

function ignore(): void {}
