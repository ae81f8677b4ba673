import type { Clock } from '../core/clock.js';
import { RateLimitConfigurationError } from '../core/errors.js';
import { RateLimitStorage } from '../core/storage.js';
import { SystemTimers } from '../core/timers.js';
import { MemoryStorage } from '../storage/memory/memory.storage.js';
import { ManualClock } from './manual-clock.js';
import { NoLimits } from './no-limits.js';
import { withManualClock, withoutRateLimits } from './test-module.js';

/** A builder, and what it was told to put in the place of what. */
function builder() {
  const replaced = new Map<unknown, unknown>();
  return {
    replaced,
    overrideProvider: (token: unknown) => ({ useValue: (value: unknown) => replaced.set(token, value) }),
  };
}

it('withManualClock puts the clock in the place of all that an application goes by', () => {
  const [made, clock] = [builder(), new ManualClock()];
  expect(withManualClock(made, clock)).toBe(made);
  expect([...made.replaced.keys()]).toEqual([RateLimitStorage, SystemTimers]);
  expect(made.replaced.get(RateLimitStorage)).toBeInstanceOf(MemoryStorage);
  expect(made.replaced.get(SystemTimers)).toBe(clock);
});

it('withManualClock takes no clock by which nobody who waits would ever go', () => {
  const made = builder();
  const clock: Clock = { nowMicros: () => 1, unixMicros: () => 1 };
  expect(() => withManualClock(made, clock as never)).toThrow(
    new RateLimitConfigurationError(
      'withManualClock: the clock has no timers (its method after), so who waits would never go. ' +
        'Remedy: pass one that the test keeps in its hand: const clock = new ManualClock().',
    ),
  );
  expect(made.replaced.size).toBe(0);
});

it('withoutRateLimits leaves the timers as they are: nobody waits', () => {
  const made = builder();
  expect(withoutRateLimits(made)).toBe(made);
  expect([...made.replaced.keys()]).toEqual([RateLimitStorage]);
  expect(made.replaced.get(RateLimitStorage)).toBeInstanceOf(NoLimits);
});
