import { Breaker } from './breaker.js';

let nowMs = 0;
let probes: ((isGood: boolean) => Promise<void>)[];
let changes: [isOpen: boolean, reason: string][];
let random: number;
let breaker: Breaker;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['performance', 'nextTick', 'setImmediate', 'queueMicrotask'] });
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  nowMs = 1000;
  probes = [];
  changes = [];
  random = 1;
  breaker = new Breaker({
    probe: () =>
      new Promise((resolve, reject) => {
        probes.push(async (isGood) => {
          if (isGood) resolve(undefined);
          else reject(new Error('still away'));
          await new Promise(setImmediate);
        });
      }),
    onChange: (...change) => changes.push(change),
    random: () => random,
  });
});

afterEach(() => {
  breaker.reset();
  jest.useRealTimers();
  jest.restoreAllMocks();
});

function fail(times: number): void {
  for (let i = 0; i < times; i++) breaker.failed('silence');
}

function pass(milliseconds: number): void {
  nowMs += milliseconds;
  jest.advanceTimersByTime(milliseconds);
}

test('opens after five failures in a row, and says so once', () => {
  fail(4);
  breaker.succeeded();
  fail(4);
  expect([breaker.isOpen, changes]).toEqual([false, []]);
  fail(1);
  expect([breaker.isOpen, breaker.reason, changes]).toEqual([true, 'silence', [[true, 'silence']]]);
  fail(10);
  expect(changes).toHaveLength(1);
});

test('opens when half of twenty calls within a second fail', () => {
  for (let i = 0; i < 9; i++) {
    breaker.succeeded();
    breaker.failed('now and then');
  }
  breaker.succeeded();
  expect(breaker.isOpen).toBe(false);
  breaker.failed('now and then');
  expect(breaker.isOpen).toBe(true);
});

test('forgets the calls of the second before', () => {
  for (let second = 0; second < 5; second++) {
    for (let i = 0; i < 9; i++) {
      breaker.succeeded();
      breaker.failed('now and then');
    }
    pass(1000);
  }
  expect(breaker.isOpen).toBe(false);
});

test('closes after two good probes, one at a time', async () => {
  fail(5);
  pass(249);
  expect(probes).toHaveLength(0);
  pass(1);
  expect(probes).toHaveLength(1);
  pass(60_000);
  expect(probes).toHaveLength(1);
  await probes[0]!(true);
  expect(breaker.isOpen).toBe(true);
  pass(250);
  await probes[1]!(true);
  expect([breaker.isOpen, changes.at(-1)]).toEqual([false, [false, '']]);
  pass(60_000);
  expect(probes).toHaveLength(2);
});

test('waits twice as long after each bad probe, up to five seconds, and begins anew after a good one', async () => {
  fail(5);
  const pauses = [250, 500, 1000, 2000, 4000, 5000, 5000];
  for (const [i, pause] of pauses.entries()) {
    pass(pause - 1);
    expect(probes).toHaveLength(i);
    pass(1);
    await probes[i]!(false);
  }
  pass(5000);
  await probes[pauses.length]!(true);
  pass(250);
  await probes[pauses.length + 1]!(false);
  pass(500);
  await probes[pauses.length + 2]!(true);
  expect(breaker.isOpen).toBe(true);
  pass(250);
  await probes[pauses.length + 3]!(true);
  expect(breaker.isOpen).toBe(false);
});

test('waits for a random part of each pause, so that instances do not probe in step', () => {
  random = 0.1;
  fail(5);
  pass(24);
  expect(probes).toHaveLength(0);
  pass(1);
  expect(probes).toHaveLength(1);
});

test('is as good as new after a reset, whatever a probe under way comes to', async () => {
  fail(5);
  pass(250);
  breaker.reset();
  expect([breaker.isOpen, changes]).toEqual([false, [[true, 'silence']]]);
  await probes[0]!(false);
  pass(60_000);
  expect(probes).toHaveLength(1);
  fail(4);
  expect(breaker.isOpen).toBe(false);
  fail(1);
  pass(250);
  expect(probes).toHaveLength(2);
});

test('keeps no process alive', () => {
  const real = setTimeout;
  const timers: NodeJS.Timeout[] = [];
  jest.useRealTimers();
  jest.spyOn(globalThis, 'setTimeout').mockImplementation((...call: Parameters<typeof setTimeout>) => {
    const timer = real(...call);
    timers.push(timer);
    return timer;
  });
  fail(5);
  expect(timers.map((timer) => timer.hasRef())).toEqual([false]);
});
