/**
 * The token bucket as a generic cell rate algorithm (ITU-T I.371): the whole state is one theoretical arrival time,
 * TAT = `arrivalMicros` + `remainder` / R µs, the instant at which the bucket will be full.
 *
 * C = capacity, R tokens arrive every P µs (reduced), debt D = (TAT − now) · R, counted in units of which a token has P.
 * A charge of c tokens is admitted iff D + c·P ≤ C·P, and then TAT' = now + (D + c·P) / R. Between two instants debt
 * falls by at most R per µs and no charge takes it above C·P, so over any interval T the admitted cost is at most C + T·R/P.
 *
 * With an interval the same formulas are read at `now` rounded down to it: tokens then arrive in steps.
 * Everything is an integer below 2^53. The same lines stand in Lua in `storage/redis/`; a test holds them together.
 */
import type { Policy } from '../policy.js';

/** More than a bucket can owe to any policy; below it debt is exact, and with a cost on top still below 2^53. */
export const MAX_DEBT_UNITS = 2 ** 52;

/** The instant at which tokens last arrived: now, or the start of the current interval. */
export function tickMicros(policy: Policy, nowMicros: number): number {
  return policy.intervalMicros === 0 ? nowMicros : nowMicros - (nowMicros % policy.intervalMicros);
}

/**
 * Debt in units; 0 is full. Above `capacityUnits` after the limit was lowered or the clock was set back: the instant is
 * kept, so that what the bucket owes is neither forgiven nor forgotten by those who read it with another limit.
 */
export function debtUnits(policy: Policy, arrivalMicros: number, remainder: number, tick: number): number {
  const ahead = arrivalMicros - tick;
  if (ahead < 0) return 0;
  const debt = ahead * policy.refillTokens + remainder;
  return debt < MAX_DEBT_UNITS ? debt : MAX_DEBT_UNITS;
}

/** What a cost adds to the debt. A cost above capacity counts as one token too many, which keeps the product exact. */
export function costUnits(policy: Policy, cost: number): number {
  return (cost <= policy.capacity ? cost : policy.capacity + 1) * policy.tokenUnits;
}

/** Whether a bucket that owes this debt has room for the cost. */
export function fits(policy: Policy, cost: number, debt: number): boolean {
  return debt + costUnits(policy, cost) <= policy.capacityUnits;
}

/** Whole microseconds of the TAT at which a bucket read at `tick` has this debt. */
export function arrivalMicros(policy: Policy, tick: number, debt: number): number {
  return tick + Math.floor(debt / policy.refillTokens);
}

/** The rest of that TAT in units of 1/R µs, from 0 to R − 1. */
export function arrivalRemainder(policy: Policy, debt: number): number {
  return debt - Math.floor(debt / policy.refillTokens) * policy.refillTokens;
}

/** Whole tokens that a bucket with this debt holds. */
export function remainingTokens(policy: Policy, debt: number): number {
  return debt >= policy.capacityUnits ? 0 : Math.floor((policy.capacityUnits - debt) / policy.tokenUnits);
}

/** The least wait in µs after which this many units have drained; 0 for none, on the grid of the interval if there is one. */
export function waitMicros(policy: Policy, nowMicros: number, units: number): number {
  if (units <= 0) return 0;
  const { refillTokens, intervalMicros } = policy;
  if (intervalMicros === 0) return refillTokens === 1 ? units : Math.ceil(units / refillTokens);
  const steps = Math.ceil(units / (refillTokens * intervalMicros));
  return tickMicros(policy, nowMicros) + steps * intervalMicros - nowMicros;
}

/**
 * The units that may be given back for a charge taken at `thenMicros`: its cost less what has drained since, because
 * a bucket that never saw the charge would not hold more. Giving back more would break the bound above.
 */
export function refundUnits(policy: Policy, cost: number, thenMicros: number, nowMicros: number): number {
  const taken = cost * policy.tokenUnits;
  const elapsed = tickMicros(policy, nowMicros) - tickMicros(policy, thenMicros);
  if (elapsed <= 0) return taken;
  return elapsed >= taken / policy.refillTokens ? 0 : taken - elapsed * policy.refillTokens;
}
