import { deepEqual, equal } from 'node:assert/strict';
import { Policy } from '../../core/policy.js';
import { type Checks, perMinute } from './contract.js';

/** What a bucket admits and when, to the microsecond. */
export const decisions: Checks = {
  'a full bucket admits its capacity at once, then one token per interval': async (contract) => {
    const policy = perMinute(3);
    deepEqual(await contract.consume(policy), [true, 2, 0, 20_000]);
    deepEqual(await contract.consume(policy), [true, 1, 0, 40_000]);
    deepEqual(await contract.consume(policy), [true, 0, 0, 60_000]);
    deepEqual(await contract.consume(policy), [false, 0, 20_000, 60_000]);
    await contract.advanceMs(19_999.999);
    deepEqual(await contract.consume(policy), [false, 0, 0.001, 40_000.001]);
    await contract.advanceMs(0.001);
    deepEqual(await contract.consume(policy), [true, 0, 0, 60_000]);
    await contract.advanceMs(3_600_000);
    deepEqual(await contract.consume(policy), [true, 2, 0, 20_000]);
  },

  'a refill that is no whole number of microseconds per token drifts by nothing': async (contract) => {
    const policy = perMinute(7); // a token every 8 571 428 4/7 µs
    deepEqual(await contract.consume(policy, 7), [true, 0, 0, 60_000]);
    for (let token = 1; token <= 700; token++) {
      const dueMs = Math.ceil((token * 60_000_000) / 7) / 1000;
      const sinceMs = Math.ceil(((token - 1) * 60_000_000) / 7) / 1000;
      await contract.advanceMs(dueMs - sinceMs - 0.001);
      deepEqual((await contract.consume(policy)).slice(0, 3), [false, 0, 0.001]);
      await contract.advanceMs(0.001);
      deepEqual((await contract.consume(policy)).slice(0, 3), [true, 0, 0]);
    }
  },

  'tokens arrive in steps at whole multiples of the interval': async (contract) => {
    const policy = perMinute(6, { refillEverySeconds: 20 }); // 2 tokens at :00, :20 and :40
    deepEqual(await contract.consume(policy, 5), [true, 1, 0, 60_000]);
    await contract.advanceMs(19_999.999);
    deepEqual(await contract.consume(policy, 2), [false, 1, 0.001, 40_000.001]);
    await contract.advanceMs(0.001);
    deepEqual(await contract.consume(policy, 2), [true, 1, 0, 60_000]);
    await contract.advanceMs(7_000);
    deepEqual(await contract.consume(policy, 1), [true, 0, 0, 53_000]);
    deepEqual(await contract.consume(policy, 6), [false, 0, 53_000, 53_000]);
    await contract.advanceMs(53_000);
    deepEqual(await contract.consume(policy, 6), [true, 0, 0, 60_000]);
  },

  'an interval of the whole period is a fixed window': async (contract) => {
    const policy = perMinute(2, { refillEverySeconds: 60 });
    await contract.advanceMs(59_000);
    deepEqual(await contract.consume(policy, 2), [true, 0, 0, 1000]);
    deepEqual(await contract.consume(policy, 1), [false, 0, 1000, 1000]);
    await contract.advanceMs(1000);
    deepEqual(await contract.consume(policy, 2), [true, 0, 0, 60_000]);
  },

  'a cost may be as high as the capacity; a higher one is refused for good and takes nothing': async (contract) => {
    const policy = perMinute(10);
    deepEqual(await contract.consume(policy, 11), [false, 10, Infinity, 0]);
    deepEqual(await contract.consume(policy, Number.MAX_SAFE_INTEGER), [false, 10, Infinity, 0]);
    equal(await contract.state(), '');
    deepEqual(await contract.consume(policy, 10), [true, 0, 0, 60_000]);
    deepEqual(await contract.consume(policy, 11), [false, 0, Infinity, 60_000]);
    await contract.advanceMs(59_999.999);
    deepEqual(await contract.consume(policy, 10), [false, 9, 0.001, 0.001]);
  },

  'a refusal changes no byte, even of a bucket that was written for other numbers': async (contract) => {
    const [before, now] = [perMinute(7), perMinute(6)]; // a token every 8 571 428 4/7 µs, and every 10 s
    const beside = { policy: perMinute(9, { name: 'beside' }), subject: 'user:1' };
    await contract.consume(before, 5);
    const state = await contract.state();
    for (const policy of [before, now]) {
      await contract.advanceMs(0.001);
      equal((await contract.consume(policy, 3))[0], false);
      equal((await contract.limiter.consume([beside, { policy, subject: 'user:1', cost: 3 }])).allowed, false);
      equal(await contract.state(), state);
    }
  },

  'the largest and the slowest policies that can exist are exact': async (contract) => {
    const slow = new Policy({ name: 'slow', capacity: 50, refillTokens: 1, refillSeconds: 366 * 86_400 });
    const yearMs = 366 * 86_400_000;
    deepEqual(await contract.consume(slow, 50), [true, 0, 0, 50 * yearMs]);
    await contract.advanceMs(yearMs - 0.001);
    deepEqual((await contract.consume(slow)).slice(0, 3), [false, 0, 0.001]);
    await contract.advanceMs(0.001);
    deepEqual((await contract.consume(slow)).slice(0, 2), [true, 0]);

    const [capacity, refillTokens] = [2 ** 51, 2 ** 31 * 1_000_000]; // 2^31 tokens every µs
    const fast = new Policy({ name: 'fast', capacity, refillTokens, refillSeconds: 1 });
    deepEqual(await contract.consume(fast, capacity), [true, 0, 0, 1048.576]);
    await contract.advanceMs(524.287);
    deepEqual(await contract.consume(fast, 2 ** 50), [false, 2 ** 50 - 2 ** 31, 0.001, 524.289]);
    await contract.advanceMs(0.001);
    deepEqual(await contract.consume(fast, 2 ** 50 - 1), [true, 1, 0, 1048.576]);
  },

  'questions that are asked at once are answered one after the other': async (contract) => {
    const [policy, other] = [perMinute(10), perMinute(25, { name: 'other' })];
    const subject = 'user:1';
    const decisions = await Promise.all(
      Array.from({ length: 40 }, async (_, i) =>
        contract.limiter.consume(
          i % 2 === 0
            ? { policy, subject }
            : [
                { policy, subject },
                { policy: other, subject, cost: 5 },
              ],
        ),
      ),
    );
    const [alone, together] = [0, 1].map(
      (kind) => decisions.filter(({ allowed }, i) => allowed && i % 2 === kind).length,
    );
    equal(alone! + together!, 10);
    equal((await contract.limiter.peek({ policy: other, subject })).remaining, 25 - 5 * together!);
  },
};
