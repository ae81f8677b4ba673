import { Policy, placeOf } from '../../src/core/policy.js';
import { HOSTILE_SUBJECTS } from './hostile-subjects.js';
import { type Contract, perMinute } from './storage-harness.js';

/** Which bucket is which, and what becomes of it when its policy changes or the storage is closed. */
export function describeBuckets(contract: Contract): void {
  test('places, names and subjects are buckets of their own', async () => {
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
      expect(await contract.consume(policy, 1, subject)).toEqual([true, 0, 0, 60_000]);
    }
  });

  test('hostile subjects neither share a bucket nor break anything', async () => {
    const policy = perMinute(2);
    const others = perMinute(2, { name: 'others' });
    for (const subject of HOSTILE_SUBJECTS) {
      expect(await contract.consume(policy, 2, subject)).toEqual([true, 0, 0, 60_000]);
      expect((await contract.limiter.consume([{ policy: others, subject, cost: 2 }])).allowed).toBe(true);
    }
    for (const subject of HOSTILE_SUBJECTS) expect((await contract.consume(policy, 1, subject))[0]).toBe(false);
  });

  describe('a policy that changes while its buckets live', () => {
    test('keeps the time to full', async () => {
      await contract.consume(perMinute(6), 3);
      expect(await contract.consume(perMinute(60), 1)).toEqual([true, 29, 0, 31_000]);
      expect(await contract.consume(perMinute(2), 1)).toEqual([false, 0, 1000, 31_000]);
    });

    test('takes the next whole microsecond when the refill changes', async () => {
      await contract.consume(perMinute(7), 1); // full in 8 571 428 4/7 µs
      expect((await contract.limiter.peek({ policy: perMinute(11), subject: 'user:1' })).resetAfterMs).toBe(8571.429);
      expect((await contract.limiter.peek({ policy: perMinute(7), subject: 'user:1' })).resetAfterMs).toBe(8571.429);
      expect((await contract.consume(perMinute(11), 1))[3]).toBe(14_025.975); // 8 571 429 + 5 454 545 5/11 µs
    });

    test('keeps the instant at which it is full, and says exactly how long that makes one wait', async () => {
      await contract.consume(new Policy({ name: 'minute', capacity: 100, perSeconds: 3600 }), 100);
      expect(await contract.consume(perMinute(3), 1)).toEqual([false, 0, 3_560_000, 3_600_000]);
      contract.advanceMs(3_559_999.999);
      expect(await contract.consume(perMinute(3), 1)).toEqual([false, 0, 0.001, 40_000.001]);
      contract.advanceMs(0.001);
      expect(await contract.consume(perMinute(3), 1)).toEqual([true, 0, 0, 60_000]);
    });

    test('forgives nothing of what is owed to the limit that others still have', async () => {
      const long = new Policy({ name: 'minute', capacity: 100, perSeconds: 3600 });
      await contract.consume(long, 100);
      await contract.consume(perMinute(3), 1);
      await contract.storage.peek([{ policy: perMinute(3), subject: 'user:1', cost: 1 }]);
      expect(await contract.consume(long, 1)).toEqual([false, 0, 36_000, 3_600_000]);
      contract.advanceMs(3_570_000);
      expect(await contract.consume(perMinute(3), 1)).toEqual([true, 0, 0, 50_000]);
      expect((await contract.consume(long, 99))[3]).toBe(50_000);
    });
  });

  test('is open as long as anybody has it open, and can be opened again', async () => {
    const policy = perMinute(3);
    await contract.storage.open();
    await contract.storage.close();
    expect((await contract.consume(policy))[0]).toBe(true);
    await contract.storage.close();
    await contract.storage.open();
    expect((await contract.consume(policy))[0]).toBe(true);
  });

  test('its instants are Unix time', async () => {
    const { nowMicros } = await contract.storage.peek([{ policy: perMinute(1), subject: 'user:1', cost: 1 }]);
    expect(nowMicros % 1).toBe(0);
    expect(contract.storage.unixMicros(nowMicros)).toBe(nowMicros);
  });
}
