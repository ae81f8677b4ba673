import { Policy } from '../../core/policy.js';
import { Carries } from './carries.js';

const policy = new Policy({ capacity: 6, perSeconds: 60 });
const of = (subject: string) => ({ policy, subject });

/** Whether a charge of then is owed. */
function isOwed(carries: Carries, subject: string, thenMicros: number): boolean {
  let isGiven = false;
  carries.refund(of(subject), thenMicros, () => (isGiven = true));
  return isGiven;
}

test('what was charged before its bucket was carried back is not owed', () => {
  const carries = new Carries();
  carries.succeeded(carries.begin(of('user:1'), 100));
  expect([99, 100, 101].map((then) => isOwed(carries, 'user:1', then))).toEqual([false, true, true]);
  expect(isOwed(carries, 'user:2', 99)).toBe(true);
  carries.failed(carries.begin(of('user:1'), 200));
  expect([99, 100, 199].map((then) => isOwed(carries, 'user:1', then))).toEqual([false, true, true]);
});

test('no two buckets are taken for one', () => {
  const carries = new Carries();
  const [one, other] = [
    new Policy({ name: 'a', place: 'b', capacity: 1, perSeconds: 1 }),
    new Policy({ name: 'b', place: 'a', capacity: 1, perSeconds: 1 }),
  ];
  carries.succeeded(carries.begin({ policy: one, subject: 'x{' }, 100));
  let given = 0;
  for (const bucket of [
    { policy: other, subject: 'x{' },
    { policy: one, subject: 'x' },
  ]) {
    carries.refund(bucket, 99, () => given++);
  }
  expect(given).toBe(2);
});

test('of more buckets than are remembered, what was charged before counts as carried back', () => {
  const MANY = 25_000;
  const carries = new Carries();
  for (let i = 0; i < MANY; i++) carries.succeeded(carries.begin(of(`user:${i}`), 100 + i));
  for (let i = 0; i < MANY; i += 100) expect(isOwed(carries, `user:${i}`, 99 + i)).toBe(false);
  // It errs on the side of what is owed.
  expect(isOwed(carries, 'user:0', 101)).toBe(false);
  expect(isOwed(carries, 'user:0', 100 + MANY)).toBe(true);
  expect((carries as unknown as { latest: Map<string, unknown> }).latest.size).toBeLessThanOrEqual(10_000);
});
