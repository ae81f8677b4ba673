import { SystemClock } from './clock.js';

describe('SystemClock', () => {
  afterEach(() => jest.restoreAllMocks());

  it('reads Unix time in whole µs', () => {
    const clock = new SystemClock();
    const now = clock.nowMicros();
    expect(Number.isSafeInteger(now)).toBe(true);
    expect(Math.abs(now / 1000 - Date.now())).toBeLessThan(50);
    expect(Math.abs(clock.unixMicros() / 1000 - Date.now())).toBeLessThan(50);
  });

  it('goes on at its own pace when the machine is set to another time', () => {
    const clock = new SystemClock();
    const [before, dayMillis] = [clock.nowMicros(), 86_400_000];
    const real = Date.now();
    jest.spyOn(Date, 'now').mockReturnValue(real - dayMillis);
    expect(clock.nowMicros()).toBeGreaterThanOrEqual(before);
    expect(clock.nowMicros() - before).toBeLessThan(1_000_000);
    expect(clock.unixMicros()).toBe((real - dayMillis) * 1000);
  });

  it('stands still while the machine is suspended', () => {
    const reading = jest.spyOn(process, 'hrtime').mockReturnValue([7, 1_234_567]);
    const clock = new SystemClock();
    const before = clock.nowMicros();
    expect(clock.nowMicros()).toBe(before);
    reading.mockReturnValue([8, 1_236_999]);
    expect(clock.nowMicros() - before).toBe(1_000_002);
  });

  it('moves with the timers of a test that fakes them', () => {
    const clock = new SystemClock();
    jest.useFakeTimers();
    const before = clock.nowMicros();
    jest.advanceTimersByTime(90_000);
    expect(clock.nowMicros() - before).toBe(90_000_000);
    jest.useRealTimers();
  });

  it('never runs backwards', () => {
    const clock = new SystemClock();
    let last = 0;
    for (let i = 0; i < 10_000; i++) {
      const now = clock.nowMicros();
      if (now < last) throw new Error(`${now} after ${last}`);
      last = now;
    }
    expect(last).toBeGreaterThan(0);
  });
});
