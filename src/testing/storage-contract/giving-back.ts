import { deepEqual, equal } from 'node:assert/strict';
import { Policy } from '../../core/policy.js';
import { type Checks, perMinute } from './contract.js';

/** Peek, refund and reset. */
export const givingBack: Checks = {
  'peek says what consume would say and takes nothing': async (contract) => {
    const policy = perMinute(3);
    const peek = async (cost: number) => {
      const { allowed, remaining, retryAfterMs } = await contract.limiter.peek({ policy, subject: 'user:1', cost });
      return [allowed, remaining, retryAfterMs];
    };
    deepEqual(await peek(3), [true, 3, 0]);
    equal(await contract.state(), '');
    deepEqual(await contract.consume(policy, 2), [true, 1, 0, 40_000]);
    const before = await contract.state();
    deepEqual(await peek(1), [true, 1, 0]);
    deepEqual(await peek(2), [false, 1, 20_000]);
    deepEqual(await peek(4), [false, 1, Infinity]);
    deepEqual(await contract.state(), before);
    deepEqual(await contract.consume(policy), [true, 0, 0, 60_000]);
  },

  'a refund gives back what has not refilled since': async (contract) => {
    const policy = perMinute(6); // a token every 10 s
    const subject = 'user:1';
    const first = await contract.take({ policy, subject, cost: 4 });
    await contract.limiter.refund(first);
    deepEqual(await contract.consume(policy, 6), [true, 0, 0, 60_000]);
    await contract.limiter.reset({ policy, subject });

    const second = await contract.take({ policy, subject, cost: 4 });
    await contract.limiter.consume({ policy, subject, cost: 2 });
    await contract.advanceMs(15_000);
    await contract.limiter.refund(second);
    equal((await contract.limiter.peek({ policy, subject })).resetAfterMs, 20_000);
    await contract.limiter.reset({ policy, subject });

    const third = await contract.take({ policy, subject, cost: 3 });
    await contract.advanceMs(30_000);
    await contract.limiter.consume({ policy, subject, cost: 6 });
    await contract.limiter.refund(third);
    deepEqual(await contract.consume(policy), [false, 0, 10_000, 60_000]);
  },

  'a refund in steps counts whole steps, a refund of everything leaves nothing behind': async (contract) => {
    const policy = perMinute(6, { refillEverySeconds: 20 });
    const subject = 'user:1';
    const first = await contract.take({ policy, subject, cost: 3 });
    await contract.advanceMs(19_999);
    await contract.limiter.refund(first);
    equal(await contract.state(), '');
    equal((await contract.limiter.peek({ policy, subject, cost: 6 })).allowed, true);

    const second = await contract.take({ policy, subject, cost: 5 });
    await contract.advanceMs(1);
    await contract.limiter.consume({ policy, subject, cost: 2 });
    await contract.limiter.refund(second);
    equal((await contract.limiter.peek({ policy, subject })).remaining, 4);
  },

  'a refund of several charges gives each its own back, and none to a bucket that was reset': async (contract) => {
    const [a, b] = [perMinute(4), perMinute(8, { name: 'other' })];
    const subject = 'user:1';
    const charges = [
      { policy: a, subject, cost: 2 },
      { policy: b, subject, cost: 3 },
    ];
    const receipt = await contract.take(charges);
    await contract.limiter.consume(charges);
    await contract.limiter.reset({ policy: a, subject });
    await contract.limiter.refund(receipt);
    deepEqual(
      (await contract.limiter.peek(charges)).policies.map((policy) => policy.remaining),
      [4, 5],
    );
  },

  'reset makes the named buckets full and no others': async (contract) => {
    const policy = perMinute(2);
    for (const subject of ['user:1', 'user:2', 'user:3']) await contract.consume(policy, 2, subject);
    await contract.limiter.reset([
      { policy, subject: 'user:1' },
      { policy, subject: 'user:3' },
      { policy, subject: 'user:never-seen' },
    ]);
    equal((await contract.consume(policy, 2, 'user:1'))[0], true);
    equal((await contract.consume(policy, 1, 'user:2'))[0], false);
    equal((await contract.consume(policy, 2, 'user:3'))[0], true);
  },

  'so many tokens as are granted come, and none beyond full': async (contract) => {
    const awkward = new Policy({ name: 'awkward', capacity: 7, refillTokens: 3, refillSeconds: 11 });
    for (const policy of [awkward, perMinute(6, { refillEverySeconds: 10 })]) {
      const bucket = { policy, subject: 'user:1' };
      const look = async () => {
        const { remaining, resetAfterMs } = await contract.limiter.peek(bucket);
        return [remaining, resetAfterMs];
      };
      await contract.limiter.consume({ ...bucket, cost: policy.capacity });
      const empty = await look();
      await contract.limiter.grant(bucket, 4);
      equal((await look())[0], 4);
      await contract.limiter.consume({ ...bucket, cost: 4 });
      deepEqual(await look(), empty);
      await contract.limiter.grant(bucket, policy.capacity);
      deepEqual(await look(), [policy.capacity, 0]);
    }
  },
};
