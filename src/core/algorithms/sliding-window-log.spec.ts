import { Policy } from '../policy.js';
import { ChargeLog } from './sliding-window-log.js';

const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const NOW = 1_800_000_000_000_000;
const policy = new Policy({ capacity: 10, perSeconds: 60, algorithm: 'sliding-window-log' });

function logOf(...charges: readonly (readonly [tokens: number, atSeconds: number])[]): ChargeLog {
  const log = new ChargeLog();
  for (const [tokens, atSeconds] of charges) log.add(policy, tokens, NOW + atSeconds * SECOND);
  return log;
}

const used = (log: ChargeLog, atMicros: number) => log.debtUnits(policy, NOW + atMicros);
const pairsOf = (log: ChargeLog) => (log as unknown as { pairs: number[] }).pairs;

it('a charge counts until a window after it, not a µs longer', () => {
  const log = logOf([3, 0], [2, 10]);
  expect([used(log, 10 * SECOND), used(log, MINUTE - 1), used(log, MINUTE)]).toEqual([5, 5, 2]);
  expect([used(log, 70 * SECOND - 1), used(log, 70 * SECOND)]).toEqual([2, 0]);
});

it('asking changes nothing, whatever the time', () => {
  const log = logOf([3, 0], [2, 10]);
  expect(used(log, 10 * MINUTE)).toBe(0);
  expect(log.instants(policy, 9, NOW + 10 * MINUTE)).toEqual({
    retryAtMicros: 0,
    nextTokenAtMicros: 0,
    fullAtMicros: 0,
  });
  expect(used(log, MINUTE - 1)).toBe(5);
});

it('tells when a cost fits, when there is one token more, and when it is full', () => {
  const log = logOf([3, 0], [2, 10], [4, 20]);
  const now = NOW + 30 * SECOND;
  const at = (seconds: number) => NOW + MINUTE + seconds * SECOND;
  expect([1, 2, 4, 5, 6, 7, 10].map((cost) => log.instants(policy, cost, now).retryAtMicros)).toEqual([
    0,
    at(0),
    at(0),
    at(10),
    at(10),
    at(20),
    at(20),
  ]);
  expect(log.instants(policy, 1, now)).toMatchObject({ nextTokenAtMicros: at(0), fullAtMicros: at(20) });
  // Of no meaning, but no error either.
  expect(log.instants(policy, 11, now).retryAtMicros).toBe(0);
});

it('more than the capacity may be owed, and the next token comes when that is paid', () => {
  const log = logOf([10, 0], [7, 10], [1, 20]);
  expect(used(log, 20 * SECOND)).toBe(18);
  expect(log.instants(policy, 1, NOW + 20 * SECOND)).toEqual({
    retryAtMicros: NOW + MINUTE,
    nextTokenAtMicros: NOW + MINUTE,
    fullAtMicros: NOW + MINUTE + 20 * SECOND,
  });
  log.add(policy, 2, NOW + 20 * SECOND);
  expect(log.instants(policy, 1, NOW + 20 * SECOND).nextTokenAtMicros).toBe(NOW + MINUTE + 10 * SECOND);
  log.add(policy, Number.MAX_SAFE_INTEGER, NOW + 30 * SECOND);
  log.add(policy, 1, NOW + 40 * SECOND);
  expect(used(log, 40 * SECOND)).toBe(2 ** 40);
});

it('a charge that is taken out was never made; one that is gone, or of another time, is not there', () => {
  const log = logOf([3, 0], [2, 10], [4, 20]);
  const now = NOW + 30 * SECOND;
  log.takeOut(policy, 2, NOW + 10 * SECOND, now);
  expect(pairsOf(log)).toEqual(pairsOf(logOf([3, 0], [4, 20])));
  log.takeOut(policy, 1, NOW + 20 * SECOND, now);
  expect(pairsOf(log)).toEqual(pairsOf(logOf([3, 0], [3, 20])));
  log.takeOut(policy, 3, NOW + 20 * SECOND + 1, now);
  log.takeOut(policy, 3, NOW, NOW + MINUTE);
  expect(used(log, 30 * SECOND)).toBe(6);
  log.takeOut(policy, 100, NOW, now);
  expect(used(log, 30 * SECOND)).toBe(3);
});

it('a grant takes the oldest charges out that still count, and no more than there are', () => {
  const log = logOf([3, 0], [2, 10], [4, 20]);
  log.grant(policy, 4, NOW + 30 * SECOND);
  expect(pairsOf(log)).toEqual([NOW, 4, NOW + 10 * SECOND, 5, NOW + 20 * SECOND, 9]);
  expect([30, 69, 70].map((second) => used(log, second * SECOND))).toEqual([5, 5, 4]);
  // Asked of an earlier time it does not come back, either.
  expect(used(log, 20 * SECOND)).toBe(5);
  log.grant(policy, 1, NOW + 75 * SECOND);
  expect(used(log, 75 * SECOND)).toBe(3);
  expect(log.fullAtMicros(policy)).toBe(NOW + 80 * SECOND);
  log.grant(policy, 10, NOW + 75 * SECOND);
  expect([used(log, 75 * SECOND), log.fullAtMicros(policy)]).toEqual([0, 0]);
  log.add(policy, 2, NOW + 75 * SECOND);
  expect(pairsOf(log)).toEqual([0, 0, NOW + 75 * SECOND, 2]);
});

it('charges of one instant are one, and a clock that was set back adds to the latest', () => {
  const log = logOf([1, 0], [2, 0], [3, -20]);
  expect(pairsOf(log)).toEqual([0, 0, NOW, 6]);
  expect(log.fullAtMicros(policy)).toBe(NOW + MINUTE);
});

it('keeps at most about twice what counts, and begins anew once nothing does', () => {
  const log = new ChargeLog();
  let most = 0;
  for (let second = 0; second < 1000; second++) {
    log.add(policy, 1, NOW + second * SECOND);
    most = Math.max(most, pairsOf(log).length / 2);
  }
  expect(used(log, 999 * SECOND)).toBe(60);
  expect(most).toBeLessThanOrEqual(2 * 60 + 2);
  log.add(policy, 1, NOW + 2000 * SECOND);
  expect(pairsOf(log)).toEqual([0, 0, NOW + 2000 * SECOND, 1]);
});

it('is full at once when it is empty', () => {
  expect(new ChargeLog().fullAtMicros(policy)).toBe(0);
});
