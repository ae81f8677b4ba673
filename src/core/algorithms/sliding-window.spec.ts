import { Policy } from '../policy.js';
import { worthMicros } from './sliding-window.js';

const counter = (capacity: number, perSeconds: number) =>
  new Policy({ capacity, perSeconds, algorithm: 'sliding-window-counter' });

it('units are worth their part of the window, rounded up', () => {
  const log = new Policy({ capacity: 7, perSeconds: 60, algorithm: 'sliding-window-log' });
  expect([0, 1, 2, 7].map((tokens) => worthMicros(log, tokens))).toEqual([0, 8_571_429, 17_142_858, 60_000_000]);
  expect(worthMicros(counter(7, 60), 60_000_000)).toBe(8_571_429);
  expect(worthMicros(counter(7, 60), 1)).toBe(1);
});

it('exactly, also where the product passes 2^53', () => {
  for (const policy of [
    new Policy({ capacity: 9973, perSeconds: 31_622_400, algorithm: 'sliding-window-log' }),
    counter(71_201, 31_622_400),
    counter(2_199_023_255_551, 1),
    counter(20_000_003, 86_400),
  ]) {
    for (let i = 1; i <= 1000; i++) {
      const units = Math.floor((policy.capacityUnits * i) / 1000);
      const all = BigInt(policy.capacityUnits);
      const exact = (BigInt(units) * BigInt(policy.windowMicros) + all - 1n) / all;
      expect(worthMicros(policy, units)).toBe(Number(exact));
    }
  }
});
