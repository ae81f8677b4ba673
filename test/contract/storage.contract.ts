import type { PolicyDefinition } from '../../src/core/bucket-shape.js';
import { Policy, placeOf } from '../../src/core/policy.js';
import { type ChargeRequest, RateLimiter } from '../../src/core/rate-limiter.js';
import type { RateLimitStorage } from '../../src/core/storage.js';
import { HOSTILE_SUBJECTS } from './hostile-subjects.js';

/** One storage under test and the hand on its clock. */
export interface StorageHarness {
  readonly storage: RateLimitStorage;
  /** Moves the storage's time; exact to the µs. */
  advanceMs(milliseconds: number): void;
  /** All that is kept, byte for byte, where the storage can show it. */
  state?(): Promise<string>;
  /** Ends it, and removes what it kept. */
  dispose(): Promise<void>;
}

const minute = (capacity: number, more: Partial<PolicyDefinition> = {}) =>
  new Policy({ name: 'minute', capacity, perSeconds: 60, ...more } as PolicyDefinition);

/** What every storage promises, told in decisions. `create` gives a storage without buckets whose second begins now. */
export function describeStorage(name: string, create: () => Promise<StorageHarness>): void {
  describe(`${name} keeps the contract of a storage`, () => {
    let harness: StorageHarness;
    let limiter: RateLimiter;

    beforeEach(async () => {
      harness = await create();
      limiter = new RateLimiter(harness.storage);
      await harness.storage.open();
    });

    afterEach(async () => {
      await harness.storage.close();
      await harness.dispose();
    });

    /** Asks and tells what came back in the numbers that clients see. */
    const consume = async (policy: Policy, cost = 1, subject = 'user:1') => {
      const decision = await limiter.consume({ policy, subject, cost });
      const { allowed, remaining, retryAfterMs, resetAfterMs } = decision;
      return [allowed, remaining, retryAfterMs, resetAfterMs];
    };
    const advanceMs = (milliseconds: number) => harness.advanceMs(milliseconds);

    test('a full bucket admits its capacity at once, then one token per interval', async () => {
      const policy = minute(3);
      expect(await consume(policy)).toEqual([true, 2, 0, 20_000]);
      expect(await consume(policy)).toEqual([true, 1, 0, 40_000]);
      expect(await consume(policy)).toEqual([true, 0, 0, 60_000]);
      expect(await consume(policy)).toEqual([false, 0, 20_000, 60_000]);
      advanceMs(19_999.999);
      expect(await consume(policy)).toEqual([false, 0, 0.001, 40_000.001]);
      advanceMs(0.001);
      expect(await consume(policy)).toEqual([true, 0, 0, 60_000]);
      advanceMs(3_600_000);
      expect(await consume(policy)).toEqual([true, 2, 0, 20_000]);
    });

    test('a refill that is no whole number of microseconds per token drifts by nothing', async () => {
      const policy = minute(7); // a token every 8 571 428 4/7 µs
      expect(await consume(policy, 7)).toEqual([true, 0, 0, 60_000]);
      for (let token = 1; token <= 700; token++) {
        const dueMs = Math.ceil((token * 60_000_000) / 7) / 1000;
        const sinceMs = Math.ceil(((token - 1) * 60_000_000) / 7) / 1000;
        advanceMs(dueMs - sinceMs - 0.001);
        expect((await consume(policy)).slice(0, 3)).toEqual([false, 0, 0.001]);
        advanceMs(0.001);
        expect((await consume(policy)).slice(0, 3)).toEqual([true, 0, 0]);
      }
    });

    test('tokens arrive in steps at whole multiples of the interval', async () => {
      const policy = minute(6, { refillEverySeconds: 20 }); // 2 tokens at :00, :20 and :40
      expect(await consume(policy, 5)).toEqual([true, 1, 0, 60_000]);
      advanceMs(19_999.999);
      expect(await consume(policy, 2)).toEqual([false, 1, 0.001, 40_000.001]);
      advanceMs(0.001);
      expect(await consume(policy, 2)).toEqual([true, 1, 0, 60_000]);
      advanceMs(7_000);
      expect(await consume(policy, 1)).toEqual([true, 0, 0, 53_000]);
      expect(await consume(policy, 6)).toEqual([false, 0, 53_000, 53_000]);
      advanceMs(53_000);
      expect(await consume(policy, 6)).toEqual([true, 0, 0, 60_000]);
    });

    test('an interval of the whole period is a fixed window', async () => {
      const policy = minute(2, { refillEverySeconds: 60 });
      advanceMs(59_000);
      expect(await consume(policy, 2)).toEqual([true, 0, 0, 1000]);
      expect(await consume(policy, 1)).toEqual([false, 0, 1000, 1000]);
      advanceMs(1000);
      expect(await consume(policy, 2)).toEqual([true, 0, 0, 60_000]);
    });

    test('a cost may be as high as the capacity; a higher one is refused for good and takes nothing', async () => {
      const policy = minute(10);
      expect(await consume(policy, 11)).toEqual([false, 10, Infinity, 0]);
      expect(await consume(policy, Number.MAX_SAFE_INTEGER)).toEqual([false, 10, Infinity, 0]);
      expect(await consume(policy, 10)).toEqual([true, 0, 0, 60_000]);
      expect(await consume(policy, 11)).toEqual([false, 0, Infinity, 60_000]);
      advanceMs(59_999.999);
      expect(await consume(policy, 10)).toEqual([false, 9, 0.001, 0.001]);
    });

    test('the largest and the slowest policies that can exist are exact', async () => {
      const slow = new Policy({ name: 'slow', capacity: 50, refillTokens: 1, refillSeconds: 366 * 86_400 });
      const yearMs = 366 * 86_400_000;
      expect(await consume(slow, 50)).toEqual([true, 0, 0, 50 * yearMs]);
      advanceMs(yearMs - 0.001);
      expect((await consume(slow)).slice(0, 3)).toEqual([false, 0, 0.001]);
      advanceMs(0.001);
      expect((await consume(slow)).slice(0, 2)).toEqual([true, 0]);

      const [capacity, refillTokens] = [2 ** 51, 2 ** 31 * 1_000_000]; // 2^31 tokens every µs
      const fast = new Policy({ name: 'fast', capacity, refillTokens, refillSeconds: 1 });
      expect(await consume(fast, capacity)).toEqual([true, 0, 0, 1048.576]);
      advanceMs(524.287);
      expect(await consume(fast, 2 ** 50)).toEqual([false, 2 ** 50 - 2 ** 31, 0.001, 524.289]);
      advanceMs(0.001);
      expect(await consume(fast, 2 ** 50 - 1)).toEqual([true, 1, 0, 1048.576]);
    });

    describe.each([1, 2, 3, 4, 5, 6, 7, 8])('with %d charges at once', (count) => {
      const policies = Array.from(
        { length: count },
        (_, i) =>
          new Policy({ name: `p${i}`, capacity: 10 + i, perSeconds: 60 + i, place: placeOf('spec', 'handler') }),
      );
      const charges = (cost: number): ChargeRequest[] =>
        policies.map((policy, i) => ({ policy, subject: i % 2 === 0 ? 'user:1' : 'ip:203.0.113.7', cost }));

      test('takes all of them', async () => {
        const decision = await limiter.consume(charges(2));
        expect(decision.allowed).toBe(true);
        expect(decision.policies.map((policy) => policy.remaining)).toEqual(policies.map((_, i) => 8 + i));
      });

      test('takes none when any one refuses, and changes no byte', async () => {
        for (let refusing = 0; refusing < count; refusing++) {
          const charge = charges(1)[refusing]!;
          await limiter.reset(charges(1));
          await limiter.consume(charges(1));
          await limiter.consume({ ...charge, cost: 9 + refusing });
          const before = await harness.state?.();

          const decision = await limiter.consume(charges(1));

          expect(decision.allowed).toBe(false);
          expect(decision.policies.map((policy) => policy.allowed)).toEqual(policies.map((_, i) => i !== refusing));
          expect(decision.policies.map((policy) => policy.remaining)).toEqual(
            policies.map((_, i) => (i === refusing ? 0 : 9 + i)),
          );
          expect(await harness.state?.()).toEqual(before);
          const after = await limiter.peek(charges(1));
          expect(after.policies.map((policy) => policy.remaining)).toEqual(
            decision.policies.map((policy) => policy.remaining),
          );
        }
      });
    });

    test('peek says what consume would say and takes nothing', async () => {
      const policy = minute(3);
      const peek = async (cost: number) => {
        const { allowed, remaining, retryAfterMs } = await limiter.peek({ policy, subject: 'user:1', cost });
        return [allowed, remaining, retryAfterMs];
      };
      expect(await peek(3)).toEqual([true, 3, 0]);
      expect(await harness.state?.()).toBe(harness.state && '');
      expect(await consume(policy, 2)).toEqual([true, 1, 0, 40_000]);
      const before = await harness.state?.();
      expect(await peek(1)).toEqual([true, 1, 0]);
      expect(await peek(2)).toEqual([false, 1, 20_000]);
      expect(await peek(4)).toEqual([false, 1, Infinity]);
      expect(await harness.state?.()).toEqual(before);
      expect(await consume(policy)).toEqual([true, 0, 0, 60_000]);
    });

    test('a refund gives back what has not refilled since', async () => {
      const policy = minute(6); // a token every 10 s
      const subject = 'user:1';
      const first = await limiter.consume({ policy, subject, cost: 4 });
      await limiter.refund(first.receipts[0]!);
      expect(await consume(policy, 6)).toEqual([true, 0, 0, 60_000]);
      await limiter.reset({ policy, subject });

      const second = await limiter.consume({ policy, subject, cost: 4 });
      await limiter.consume({ policy, subject, cost: 2 });
      advanceMs(15_000);
      await limiter.refund(second.receipts[0]!);
      expect((await limiter.peek({ policy, subject })).resetAfterMs).toBe(20_000);
      await limiter.reset({ policy, subject });

      const third = await limiter.consume({ policy, subject, cost: 3 });
      advanceMs(30_000);
      await limiter.consume({ policy, subject, cost: 6 });
      await limiter.refund(third.receipts[0]!);
      expect(await consume(policy)).toEqual([false, 0, 10_000, 60_000]);
    });

    test('a refund in steps counts whole steps, a refund of everything leaves nothing behind', async () => {
      const policy = minute(6, { refillEverySeconds: 20 });
      const subject = 'user:1';
      const first = await limiter.consume({ policy, subject, cost: 3 });
      advanceMs(19_999);
      await limiter.refund(first.receipts[0]!);
      expect(await harness.state?.()).toBe(harness.state && '');
      expect((await limiter.peek({ policy, subject, cost: 6 })).allowed).toBe(true);

      const second = await limiter.consume({ policy, subject, cost: 5 });
      advanceMs(1);
      await limiter.consume({ policy, subject, cost: 2 });
      await limiter.refund(second.receipts[0]!);
      expect((await limiter.peek({ policy, subject })).remaining).toBe(4);
    });

    test('a refund of several charges gives each its own back, and none to a bucket that was reset', async () => {
      const [a, b] = [minute(4), minute(8, { name: 'other' })];
      const subject = 'user:1';
      const charges = [
        { policy: a, subject, cost: 2 },
        { policy: b, subject, cost: 3 },
      ];
      const { receipts } = await limiter.consume(charges);
      await limiter.consume(charges);
      await limiter.reset({ policy: a, subject });
      await limiter.refund(receipts[0]!);
      expect((await limiter.peek(charges)).policies.map((policy) => policy.remaining)).toEqual([4, 5]);
    });

    test('reset makes the named buckets full and no others', async () => {
      const policy = minute(2);
      for (const subject of ['user:1', 'user:2', 'user:3']) await consume(policy, 2, subject);
      await limiter.reset([
        { policy, subject: 'user:1' },
        { policy, subject: 'user:3' },
        { policy, subject: 'user:never-seen' },
      ]);
      expect((await consume(policy, 2, 'user:1'))[0]).toBe(true);
      expect((await consume(policy, 1, 'user:2'))[0]).toBe(false);
      expect((await consume(policy, 2, 'user:3'))[0]).toBe(true);
    });

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
        expect(await consume(policy, 1, subject)).toEqual([true, 0, 0, 60_000]);
      }
    });

    test('hostile subjects neither share a bucket nor break anything', async () => {
      const policy = minute(2);
      const others = minute(2, { name: 'others' });
      for (const subject of HOSTILE_SUBJECTS) {
        expect(await consume(policy, 2, subject)).toEqual([true, 0, 0, 60_000]);
        expect((await limiter.consume([{ policy: others, subject, cost: 2 }])).allowed).toBe(true);
      }
      for (const subject of HOSTILE_SUBJECTS) expect((await consume(policy, 1, subject))[0]).toBe(false);
    });

    describe('a policy that changes while its buckets live', () => {
      test('keeps the time to full', async () => {
        await consume(minute(6), 3);
        expect(await consume(minute(60), 1)).toEqual([true, 29, 0, 31_000]);
        expect(await consume(minute(2), 1)).toEqual([false, 0, 1000, 31_000]);
      });

      test('takes the next whole microsecond when the refill changes', async () => {
        await consume(minute(7), 1); // full in 8 571 428 4/7 µs
        expect((await limiter.peek({ policy: minute(11), subject: 'user:1' })).resetAfterMs).toBe(8571.429);
        expect((await limiter.peek({ policy: minute(7), subject: 'user:1' })).resetAfterMs).toBe(8571.429);
        expect((await consume(minute(11), 1))[3]).toBe(14_025.975); // 8 571 429 + 5 454 545 5/11 µs
      });

      test('counts no more debt than the new capacity', async () => {
        await consume(new Policy({ name: 'minute', capacity: 100, perSeconds: 3600 }), 100);
        expect(await consume(minute(3), 1)).toEqual([false, 0, 20_000, 60_000]);
      });
    });

    test('is open as long as anybody has it open, and can be opened again', async () => {
      const policy = minute(3);
      await harness.storage.open();
      await harness.storage.close();
      expect((await consume(policy))[0]).toBe(true);
      await harness.storage.close();
      await harness.storage.open();
      expect((await consume(policy))[0]).toBe(true);
    });

    test('its instants are Unix time', async () => {
      const { nowMicros } = await harness.storage.peek([{ policy: minute(1), subject: 'user:1', cost: 1 }]);
      expect(nowMicros % 1).toBe(0);
      expect(harness.storage.unixMicros(nowMicros)).toBe(nowMicros);
    });
  });
}
