import { deepEqual, equal } from 'node:assert/strict';
import { describeValue } from '../../core/errors.js';
import { Policy, placeOf } from '../../core/policy.js';
import { type Checks, perMinute } from './contract.js';
import { hostileSubjects } from './hostile-subjects.js';

/** Which bucket is which, and what becomes of it when its policy changes or the storage is closed. */
export const buckets: Checks = {
  'places, names and subjects are buckets of their own': async (contract) => {
    const definitions: [place: string, name: string, subject: string][] = [
      [placeOf('a'), 'x', 'user:1'],
      [placeOf('a'), 'x', 'user:2'],
      [placeOf('a'), 'y', 'user:1'],
      [placeOf('b'), 'x', 'user:1'],
      [placeOf('a', 'x'), 'x', 'user:1'],
      ['', 'x', 'user:1'],
    ];
    for (const [place, name, subject] of definitions) {
      const policy = new Policy({ place, name, capacity: 1, perSeconds: 60 });
      deepEqual(await contract.consume(policy, 1, subject), [true, 0, 0, 60_000]);
    }
  },

  'hostile subjects neither share a bucket nor break anything': async (contract) => {
    const policy = perMinute(2);
    const others = perMinute(2, { name: 'others' });
    for (const subject of hostileSubjects()) {
      const shared = `a bucket of another subject is that of ${describeValue(subject)}`;
      deepEqual(await contract.consume(policy, 2, subject), [true, 0, 0, 60_000], shared);
      equal((await contract.limiter.consume([{ policy: others, subject, cost: 2 }])).allowed, true, shared);
    }
    for (const subject of hostileSubjects()) {
      equal((await contract.consume(policy, 1, subject))[0], false, `the bucket of ${describeValue(subject)} is lost`);
    }
  },

  'a bucket whose policy changes keeps the time to full': async (contract) => {
    await contract.consume(perMinute(6), 3);
    deepEqual(await contract.consume(perMinute(60), 1), [true, 29, 0, 31_000]);
    deepEqual(await contract.consume(perMinute(2), 1), [false, 0, 1000, 31_000]);
  },

  'a bucket whose policy changes takes the next whole microsecond when the refill changes': async (contract) => {
    await contract.consume(perMinute(7), 1); // full in 8 571 428 4/7 µs
    equal((await contract.limiter.peek({ policy: perMinute(11), subject: 'user:1' })).resetAfterMs, 8571.429);
    equal((await contract.limiter.peek({ policy: perMinute(7), subject: 'user:1' })).resetAfterMs, 8571.429);
    equal((await contract.consume(perMinute(11), 1))[3], 14_025.975); // 8 571 429 + 5 454 545 5/11 µs
  },

  'a bucket whose policy changes keeps the instant at which it is full, and says exactly how long that makes one wait':
    async (contract) => {
      await contract.consume(new Policy({ name: 'minute', capacity: 100, perSeconds: 3600 }), 100);
      deepEqual(await contract.consume(perMinute(3), 1), [false, 0, 3_560_000, 3_600_000]);
      await contract.advanceMs(3_559_999.999);
      deepEqual(await contract.consume(perMinute(3), 1), [false, 0, 0.001, 40_000.001]);
      await contract.advanceMs(0.001);
      deepEqual(await contract.consume(perMinute(3), 1), [true, 0, 0, 60_000]);
    },

  'a bucket whose policy changes forgives nothing of what is owed to the limit that others still have': async (
    contract,
  ) => {
    const long = new Policy({ name: 'minute', capacity: 100, perSeconds: 3600 });
    await contract.consume(long, 100);
    await contract.consume(perMinute(3), 1);
    await contract.storage.peek([{ policy: perMinute(3), subject: 'user:1', cost: 1 }]);
    deepEqual(await contract.consume(long, 1), [false, 0, 36_000, 3_600_000]);
    await contract.advanceMs(3_570_000);
    deepEqual(await contract.consume(perMinute(3), 1), [true, 0, 0, 50_000]);
    equal((await contract.consume(long, 99))[3], 50_000);
  },

  'is open as long as anybody has it open, and can be opened again': async (contract) => {
    const policy = perMinute(3);
    await contract.storage.open();
    await contract.storage.close();
    equal((await contract.consume(policy))[0], true);
    await contract.storage.close();
    await contract.storage.open();
    equal((await contract.consume(policy))[0], true);
  },

  'its instants are Unix time': async (contract) => {
    const { nowMicros } = await contract.storage.peek([{ policy: perMinute(1), subject: 'user:1', cost: 1 }]);
    equal(nowMicros % 1, 0);
    equal(contract.storage.unixMicros(nowMicros), nowMicros);
  },
};
