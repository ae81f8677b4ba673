import { RateLimitConfigurationError } from '../core/errors.js';
import { ManualClock } from './manual-clock.js';

const START_MICROS = 1_700_000_000_000_000;
/** That it can show. */
const LAST_MICROS = 2 ** 53 - 1;

/** A clock, and what it has called: `name@ms`. */
function setUp() {
  const clock = new ManualClock(START_MICROS);
  const log: string[] = [];
  const elapsedMs = () => (clock.nowMicros() - START_MICROS) / 1000;
  const note = (name: string) => () => void log.push(`${name}@${elapsedMs()}`);
  return { clock, log, note, elapsedMs };
}

describe('ManualClock', () => {
  it('begins where it is told to, and moves only when told to', () => {
    const { clock } = setUp();
    expect([clock.nowMicros(), clock.unixMicros()]).toEqual([START_MICROS, START_MICROS]);
    clock.advanceMs(1.5);
    clock.advanceMicros(2);
    expect([clock.nowMicros(), clock.unixMicros()]).toEqual([START_MICROS + 1502, START_MICROS + 1502]);
    clock.advanceMs(-1);
    expect(clock.nowMicros()).toBe(START_MICROS + 502);
  });

  it('calls what falls due on its way, in the order of the times, each at its own', () => {
    const { clock, log, note, elapsedMs } = setUp();
    clock.after(30, note('c'), true);
    clock.after(10, note('a'), false);
    clock.after(20.5, note('b'), true);
    clock.after(30, note('d'), true);
    clock.after(100, note('e'), true);
    clock.advanceMs(10);
    expect(log).toEqual(['a@10']);
    clock.advanceMs(89.999);
    expect([log, elapsedMs()]).toEqual([['a@10', 'b@20.5', 'c@30', 'd@30'], 99.999]);
    clock.advanceMicros(1);
    expect(log.at(-1)).toBe('e@100');
  });

  it('calls nothing that was prevented, and nothing twice', () => {
    const { clock, log, note } = setUp();
    const prevent = clock.after(10, note('a'), true);
    clock.after(5, prevent, true);
    clock.after(10, note('b'), true);
    clock.advanceMs(20);
    clock.advanceMs(-20);
    clock.advanceMs(20);
    expect(log).toEqual(['b@10']);
  });

  it('calls what is only asked for on its way, too', () => {
    const { clock, log, note } = setUp();
    clock.after(
      10,
      () => {
        note('a')();
        clock.after(10, note('b'), true);
        clock.after(1000, note('too late'), true);
      },
      true,
    );
    clock.advanceMs(500);
    expect(log).toEqual(['a@10', 'b@20']);
  });

  it('keeps the instant of what it calls when it is turned back', () => {
    const { clock, log, note } = setUp();
    clock.after(10, note('a'), true);
    clock.advanceMs(-100);
    clock.advanceMs(109);
    expect(log).toEqual([]);
    clock.advanceMs(1);
    expect(log).toEqual(['a@10']);
  });
});

describe('A ManualClock that is given what is no time', () => {
  const UNTYPED: readonly unknown[] = [NaN, Infinity, -Infinity, '60', null, {}, 1n, new Date(0)];
  const MISTAKE = RateLimitConfigurationError;

  it.each([...UNTYPED, 0.5, -1, LAST_MICROS + 1])('is not made: %p', (micros) => {
    expect(() => new ManualClock(micros as number)).toThrow(MISTAKE);
  });

  it.each([...UNTYPED, undefined, 0.5, 1.5, -START_MICROS - 1, LAST_MICROS])('does not move by %p µs', (micros) => {
    const { clock, log, note } = setUp();
    clock.after(0, note('due'), true);
    expect(() => clock.advanceMicros(micros as number)).toThrow(MISTAKE);
    expect([clock.nowMicros(), log]).toEqual([START_MICROS, []]);
  });

  it.each([...UNTYPED, undefined, 0.0001, -0.0001, -START_MICROS, LAST_MICROS])('does not move by %p ms', (ms) => {
    const { clock } = setUp();
    expect(() => clock.advanceMs(ms as number)).toThrow(MISTAKE);
    expect(clock.nowMicros()).toBe(START_MICROS);
  });

  it('names what it was given, and the remedy', () => {
    const { clock } = setUp();
    const remedy =
      '; expected a number that leaves the clock at a whole µs from 1970 to 2255. Remedy: pass whole micro';
    expect(() => new ManualClock(NaN)).toThrow(`new ManualClock: the first reading is NaN${remedy}`);
    expect(() => clock.advanceMs('1' as never)).toThrow(`ManualClock.advanceMs: the step is "1" ms${remedy}`);
    expect(() => clock.advanceMicros(0.5)).toThrow(`ManualClock.advanceMicros: the step is 0.5 µs${remedy}`);
  });

  it('moves by fractions of a millisecond, rounded to the µs, and by nothing', () => {
    const { clock } = setUp();
    for (const ms of [0, 0.001, 0.0005, 1 / 3, 89.999]) clock.advanceMs(ms);
    clock.advanceMicros(0);
    expect(clock.nowMicros()).toBe(START_MICROS + 1 + 1 + 333 + 89_999);
  });

  it('shows every instant from 1970 to the last that it can hold', () => {
    const clock = new ManualClock(0);
    clock.advanceMicros(LAST_MICROS);
    expect([clock.nowMicros(), new ManualClock(LAST_MICROS).nowMicros()]).toEqual([LAST_MICROS, LAST_MICROS]);
  });
});

describe('advanceUntil', () => {
  /** Somebody who waits so long. */
  const waiting = (clock: ManualClock, delayMs: number): Promise<void> =>
    new Promise((resolve) => void clock.after(delayMs, resolve, true));

  it('answers with the result at the time at which it is there', async () => {
    const { clock, elapsedMs } = setUp();
    void waiting(clock, 5000);
    expect(await clock.advanceUntil(waiting(clock, 1000).then(() => 'done'))).toBe('done');
    expect(elapsedMs()).toBe(1000);
  });

  it('lets what comes of one wait begin the next', async () => {
    const { clock, elapsedMs } = setUp();
    const threeTimes = async () => {
      for (let i = 0; i < 3; i++) await waiting(clock, 1000);
    };
    await clock.advanceUntil(Promise.all([threeTimes(), threeTimes()]));
    expect(elapsedMs()).toBe(3000);
  });

  it('does not move for what takes no time, or time of another clock, or what nobody waits for', async () => {
    const { clock, log, note, elapsedMs } = setUp();
    clock.after(1000, note('spare'), false);
    expect(await clock.advanceUntil(Promise.resolve(1))).toBe(1);
    const turns = async (count: number) => {
      for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
      return count;
    };
    expect(await Promise.all([clock.advanceUntil(turns(1)), clock.advanceUntil(turns(3))])).toEqual([1, 3]);
    expect([log, elapsedMs()]).toEqual([[], 0]);
    await clock.advanceUntil(waiting(clock, 3000));
    expect([log, elapsedMs()]).toEqual([['spare@1000'], 3000]);
  });

  it('goes on where a test has faked the timers of the machine', async () => {
    const { clock, elapsedMs } = setUp();
    jest.useFakeTimers();
    try {
      await clock.advanceUntil(waiting(clock, 1000));
    } finally {
      jest.useRealTimers();
    }
    expect(elapsedMs()).toBe(1000);
  });

  it('goes on for whoever begins to wait later', async () => {
    const { clock, elapsedMs } = setUp();
    const later = new Promise((resolve) => {
      setImmediate(() => setImmediate(() => void clock.after(1000, () => resolve('later'), true)));
    });
    expect(await Promise.all([clock.advanceUntil(later), clock.advanceUntil(later)])).toEqual(['later', 'later']);
    expect(elapsedMs()).toBe(1000);
  });

  it('fails as what it waits for does', async () => {
    const { clock } = setUp();
    const failing = waiting(clock, 1000).then(() => Promise.reject(new Error('of the call')));
    await expect(clock.advanceUntil(failing)).rejects.toThrow('of the call');
  });
});
