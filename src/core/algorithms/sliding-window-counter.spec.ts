import { Policy } from '../policy.js';
import { countedInstants, countedUnits, WindowCounters } from './sliding-window-counter.js';

const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
/** The start of a minute. */
const START = 1_800_000_000_000_000;
const policy = new Policy({ capacity: 10, perSeconds: 60, algorithm: 'sliding-window-counter' });
const counts = (previous: number, current: number) => ({ startMicros: START, previous, current });

it('of the window before counts what the present one still covers', () => {
  const used = (seconds: number) => countedUnits(policy, counts(6, 2), START + seconds * SECOND) / policy.tokenUnits;
  expect([0, 15, 30, 59].map(used)).toEqual([8, 6.5, 5, 2.1]);
  expect(countedUnits(policy, counts(6, 2), START + 1)).toBe(8 * MINUTE - 6);
  // A clock that was set back has not passed on yet.
  expect(used(-5)).toBe(8);
});

it('by ms where µs would be too fine, and then never too little', () => {
  const coarse = new Policy({ capacity: 100_000, perSeconds: 86_400, algorithm: 'sliding-window-counter' });
  const used = (micros: number) => countedUnits(coarse, counts(5, 0), START + micros);
  expect([0, 999, 1000, 1999].map(used)).toEqual([0, 0, 5, 5].map((drained) => 5 * 86_400_000 - drained));
});

it('tells when a cost fits, when there is one token more, and when it is full', () => {
  const told = (cost: number, previous: number, current: number, seconds: number) =>
    Object.values(countedInstants(policy, cost, counts(previous, current), START + seconds * SECOND)).map(
      (micros: number) => (micros === 0 ? 0 : (micros - START) / SECOND),
    );
  // 6 of the window before and 2 of this one make 7 now, and 6 after 20 s.
  expect(told(4, 6, 2, 10)).toEqual([20, 20, 120]);
  expect(told(8, 6, 2, 10)).toEqual([60, 20, 120]);
  // Not before the next window, where 2 · (60 − 30) / 60 = 1.
  expect(told(9, 6, 2, 10)).toEqual([90, 20, 120]);
  expect(told(10, 6, 0, 10)).toEqual([60, 20, 60]);
  expect(told(10, 0, 4, 10)).toEqual([120, 75, 120]);
  expect(told(1, 0, 0, 10)).toEqual([0, 0, 0]);
  // Owed from elsewhere.
  expect(told(1, 10, 15, 10)).toEqual([84, 84, 120]);
});

describe('two counters', () => {
  it('pass on at each window, and forget after two', () => {
    const counters = new WindowCounters();
    counters.add(policy, 4, START + 10 * SECOND);
    counters.add(policy, 2, START + 20 * SECOND);
    const used = (seconds: number) => counters.debtUnits(policy, START + seconds * SECOND) / policy.tokenUnits;
    expect([20, 59, 60, 90, 119, 120, 600].map(used)).toEqual([6, 6, 6, 3, 0.1, 0, 0]);
    expect(counters.fullAtMicros(policy)).toBe(START + 2 * MINUTE);
    counters.add(policy, 1, START + 90 * SECOND);
    expect([90, 119, 120, 180].map(used)).toEqual([4, 1.1, 1, 0]);
    // Asking later has passed nothing on.
    expect(used(90)).toBe(4);
  });

  it('give back what stands in either window, and nothing that is out of both', () => {
    const counters = new WindowCounters();
    counters.add(policy, 4, START);
    counters.add(policy, 3, START + MINUTE);
    const used = () => counters.debtUnits(policy, START + MINUTE) / policy.tokenUnits;
    counters.takeOut(policy, 1, START + 59 * SECOND, START + MINUTE);
    counters.takeOut(policy, 1, START + 61 * SECOND, START + 62 * SECOND);
    counters.takeOut(policy, 2, START - 1, START + MINUTE);
    expect(used()).toBe(5);
    counters.takeOut(policy, 2, START + MINUTE, START + MINUTE);
    expect(used()).toBe(3);
    expect(counters.fullAtMicros(policy)).toBe(START + 2 * MINUTE);
    counters.takeOut(policy, 100, START, START + MINUTE);
    expect(counters.fullAtMicros(policy)).toBe(0);
  });

  it('a grant is whole tokens at once, and what is less than nothing is nothing in the next window', () => {
    const counters = new WindowCounters();
    counters.add(policy, 8, START);
    counters.add(policy, 3, START + MINUTE);
    const used = (seconds: number) => counters.debtUnits(policy, START + seconds * SECOND) / policy.tokenUnits;
    counters.grant(policy, 5, START + 75 * SECOND);
    expect([60, 75, 90, 105, 119].map(used)).toEqual([6, 4, 2, 0, 0]);
    expect(counters.fullAtMicros(policy)).toBe(START + 105 * SECOND);
    // Whatever is charged when nothing is owed begins anew.
    expect(used(106)).toBe(0);
    counters.add(policy, 1, START + 106 * SECOND);
    expect([106, 119, 120, 150].map(used)).toEqual([1, 1, 1, 0.5]);
  });

  it('what is granted and given back goes no further than empty', () => {
    const counters = new WindowCounters();
    counters.add(policy, 8, START);
    counters.add(policy, 2, START + MINUTE);
    const used = (seconds: number) => counters.debtUnits(policy, START + seconds * SECOND) / policy.tokenUnits;
    counters.grant(policy, 3, START + 60 * SECOND);
    counters.takeOut(policy, 2, START + MINUTE, START + MINUTE);
    expect([60, 75].map(used)).toEqual([5, 3]);
    const more = (granted: number) => {
      counters.grant(policy, granted, START + 75 * SECOND);
      return [used(75), counters.fullAtMicros(policy)];
    };
    expect(more(2)).toEqual([1, START + 82.5 * SECOND]);
    expect(more(2)[0]).toBe(0);
    counters.add(policy, 1, START + MINUTE + 75 * SECOND);
    expect(used(60 + 75)).toBe(1);
  });

  it('of a window that was changed count all that still counts as taken now', () => {
    const hourly = new Policy({ capacity: 10, perSeconds: 3600, algorithm: 'sliding-window-counter' });
    const counters = new WindowCounters();
    counters.add(policy, 4, START);
    counters.add(policy, 3, START + MINUTE);
    expect(counters.debtUnits(hourly, START + MINUTE)).toBe(7 * hourly.tokenUnits);
    expect(counters.debtUnits(hourly, START + 2 * MINUTE)).toBe(3 * hourly.tokenUnits);
    expect(counters.debtUnits(hourly, START + 3 * MINUTE)).toBe(0);
    counters.takeOut(hourly, 3, START + MINUTE, START + MINUTE);
    counters.add(hourly, 1, START + MINUTE);
    expect(counters.debtUnits(hourly, START + MINUTE)).toBe(8 * hourly.tokenUnits);
    expect(counters.fullAtMicros(hourly)).toBe(START - (START % (60 * MINUTE)) + 120 * MINUTE);
  });

  it('never count more than stays exact', () => {
    const counters = new WindowCounters();
    for (let minute = 0; minute < 2; minute++) counters.add(policy, Number.MAX_SAFE_INTEGER, START + minute * MINUTE);
    const debt = counters.debtUnits(policy, START + MINUTE);
    expect(debt).toBeLessThanOrEqual(2 ** 52);
    expect(debt % MINUTE).toBe(0);
  });
});
