import type { Clock } from '../core/clock.js';
import { describeValue, misconfigured } from '../core/errors.js';
import { RateLimitStorage } from '../core/storage.js';
import { SystemTimers, type Timers } from '../core/timers.js';
import { MemoryStorage } from '../storage/memory/memory.storage.js';
import { NoLimits } from './no-limits.js';

/** What of `Test.createTestingModule(…)` is needed, so that importing this takes no `@nestjs/testing`. */
export interface TestModuleBuilder {
  overrideProvider(token: unknown): { useValue(value: unknown): unknown };
}

/**
 * Lifts every limit of the application under test: `await withoutRateLimits(Test.createTestingModule(…)).compile()`.
 * However the module is mounted and given its options, before and after authentication, and in code. Everything else
 * stays: the configuration is checked, subjects are found, and answers have their header fields, of full buckets. The
 * storage of the options is never opened.
 *
 * @returns the builder it was given.
 * @throws RateLimitConfigurationError for anything but a builder.
 */
export function withoutRateLimits<T extends TestModuleBuilder>(builder: T): T {
  return withStorage(builder, new NoLimits(), 'withoutRateLimits');
}

/**
 * Lets the limits of the application under test run by a clock of the test's, in memory, whatever storage its options
 * name: `await withManualClock(Test.createTestingModule(…), clock).compile()`. Whoever waits for tokens, a request or a call
 * in code, goes when the clock is moved that far. The storage of the options is never opened.
 *
 * @param clock a `ManualClock`, or one that has timers, too; header fields tell its time.
 * @returns the builder it was given.
 * @throws RateLimitConfigurationError for anything but a builder and a clock.
 */
export function withManualClock<T extends TestModuleBuilder>(builder: T, clock: Clock & Timers): T {
  checkClock(clock, 'withManualClock');
  withStorage(builder, new MemoryStorage({ clock }), 'withManualClock');
  builder.overrideProvider(SystemTimers).useValue(clock);
  return builder;
}

function checkClock(clock: Partial<Clock & Timers> | null | undefined, where: string): void {
  const remedy = 'pass one that the test keeps in its hand: const clock = new ManualClock()';
  if (typeof clock?.nowMicros !== 'function') misconfigured(where, `the clock is ${describeValue(clock)}`, remedy);
  if (typeof clock.after !== 'function') {
    misconfigured(where, 'the clock has no timers (its method after), so who waits would never go', remedy);
  }
}

function withStorage<T extends TestModuleBuilder>(builder: T, storage: RateLimitStorage, where: string): T {
  if (typeof (builder as Partial<T> | null | undefined)?.overrideProvider !== 'function') {
    misconfigured(
      where,
      'it was given something else than a builder of a testing module',
      'pass what Test.createTestingModule(…) gives, before compile() is called',
    );
  }
  builder.overrideProvider(RateLimitStorage).useValue(storage);
  return builder;
}
