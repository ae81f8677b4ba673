import { isSliding } from './algorithm.js';
import {
  arrivalMicros,
  arrivalRemainder,
  costUnits,
  debtUnits,
  tickMicros,
  waitMicros,
} from './algorithms/token-bucket.js';
import type { Charge } from './charge.js';
import { describeValue, InvalidChargeError, listNames, misconfigured } from './errors.js';
import type { Policy } from './policy.js';
import { MAX_CAPACITY_UNITS } from './policy-checks.js';
import type { StorageReply } from './storage.js';

/** Of each policy. */
const LENGTHS_REMEMBERED = 100;

/** Tokens that were charged before they arrive. */
export interface Reservation {
  /** What was asked for, without the wait. */
  readonly asked: Charge;
  /** What was charged for it, which in an outage is another. */
  readonly charge: Charge;
  /** What the storage said when it was charged. */
  readonly reply: StorageReply;
  /** When that was, by the clock of this process. */
  readonly toldMicros: number;
  /** When they arrive, by the clock of this process. */
  readonly dueMicros: number;
}

/** A policy as a charge reads it that may be paid later: an empty bucket may owe what refills in the time of the wait. */
interface ReservingPolicy extends Policy {
  readonly plain: Policy;
  readonly maxWaitMicros: number;
}

/**
 * The policy of the same buckets by which a charge is admitted up to `maxWaitMicros` before its tokens arrive. The state
 * of a bucket is the instant at which it will be full, so a reservation is an ordinary charge that is allowed to move
 * that instant farther: whoever comes next finds it moved and waits longer, here and everywhere.
 *
 * @param maxWaitMicros integer from 0 to {@link longestWaitMicros}. Where tokens arrive in steps, whole steps count.
 */
export function reserving(policy: Policy, maxWaitMicros: number): Policy {
  const { intervalMicros } = policy;
  const countedMicros = intervalMicros === 0 ? maxWaitMicros : maxWaitMicros - (maxWaitMicros % intervalMicros);
  return Object.create(policy, {
    plain: { value: policy },
    maxWaitMicros: { value: maxWaitMicros },
    capacityUnits: { value: policy.capacityUnits + countedMicros * policy.refillTokens, enumerable: true },
  }) as ReservingPolicy;
}

/** Waits of one length are by one and the same policy, which storages find again sooner than its equal. */
export class ReservingPolicies {
  private readonly byPolicy = new WeakMap<Policy, Map<number, Policy>>();

  /** The same as {@link reserving}. */
  of(policy: Policy, maxWaitMicros: number): Policy {
    let byLength = this.byPolicy.get(policy);
    if (byLength === undefined || byLength.size >= LENGTHS_REMEMBERED) {
      this.byPolicy.set(policy, (byLength = new Map<number, Policy>()));
    }
    let found = byLength.get(maxWaitMicros);
    if (found === undefined) byLength.set(maxWaitMicros, (found = reserving(policy, maxWaitMicros)));
    return found;
  }
}

/** The policy that {@link reserving} was given; any other is itself. */
export function plainOf(policy: Policy): Policy {
  return (policy as Partial<ReservingPolicy>).plain ?? policy;
}

/** `other` as charges read it that may wait as long as those of `policy`, if that is one which {@link reserving} made. */
export function reservingAs(policy: Policy, other: Policy): Policy {
  const { maxWaitMicros } = policy as Partial<ReservingPolicy>;
  return maxWaitMicros === undefined ? other : reserving(other, Math.min(maxWaitMicros, longestWaitMicros(other)));
}

/** The longest wait that can be counted exactly, in µs: years, but for limits of millions of tokens. */
export function longestWaitMicros(policy: Policy): number {
  return Math.floor((MAX_CAPACITY_UNITS - policy.capacityUnits) / policy.refillTokens);
}

/**
 * When tokens arrive that were charged in advance, by the clock of this process: counted from the arrival of the answer,
 * because the storage's time is later than what it said.
 */
export function dueMicros(charge: Charge, { nowMicros, debtUnits: [debt] }: StorageReply, toldMicros: number): number {
  const plain = plainOf(charge.policy);
  return toldMicros + waitMicros(plain, nowMicros, debt! - plain.capacityUnits);
}

/** Whether nothing was charged between the two, from here or elsewhere, as long as the first is still waited for. */
export function areNeighbours(first: Reservation, second: Reservation): boolean {
  const { charge, reply } = second;
  const policy = plainOf(charge.policy);
  if (plainOf(first.charge.policy) !== policy) return false;
  return debtLeft(policy, first.reply, reply.nowMicros) === reply.debtUnits[0]! - costUnits(policy, charge.cost);
}

/**
 * Two neighbours as they would be if they had been charged the other way round, which leaves the bucket as it is: the
 * second arrives sooner, and the first when the second did.
 */
export function exchanged<R extends Reservation>(first: R, second: R): readonly [sooner: R, later: R] {
  const { charge, toldMicros } = second;
  const units = costUnits(plainOf(first.charge.policy), first.charge.cost);
  const reply = { ...second.reply, debtUnits: [second.reply.debtUnits[0]! - units] };
  return [
    { ...second, reply, dueMicros: dueMicros(charge, reply, toldMicros) },
    { ...first, reply: second.reply, toldMicros, dueMicros: second.dueMicros },
  ];
}

/**
 * The debt in units that a bucket still has of what a reply told of it, if it has not been charged since; 0: nothing is
 * left of it.
 */
export function debtLeft(policy: Policy, { nowMicros, debtUnits: [debt] }: StorageReply, laterMicros: number): number {
  if (debt === undefined) return 0;
  const arrival = arrivalMicros(policy, tickMicros(policy, nowMicros), debt);
  return debtUnits(policy, arrival, arrivalRemainder(policy, debt), tickMicros(policy, laterMicros));
}

/**
 * The policy that is waited for. Tokens of several arrive at several times. Whoever waits for the last of them leaves the
 * others reserved for a time that has passed, and all for whom it is the same go at once, which the others do not allow.
 * @throws RateLimitConfigurationError for more than one
 */
export function lonePolicy(policies: readonly Policy[], where: string): Policy {
  if (policies.length === 1) return policies[0]!;
  return misconfigured(
    where,
    `${listNames(policies.map(({ name }) => name))} are several policies, whose tokens cannot be reserved for one time`,
    'wait for one policy that keeps within all of them: of a capacity and a rate for which capacity + rate × period is at most each limit',
  );
}

/** @throws RateLimitConfigurationError for a policy whose tokens cannot be waited for. */
export function checkReservable(policy: Policy, where = 'PolicyLimiter.wait'): void {
  const { algorithm, capacity } = policy;
  const name = describeValue(policy.name);
  if (isSliding(algorithm)) {
    misconfigured(
      where,
      `the algorithm of policy ${name} is ${describeValue(algorithm)}, in which no token has a time at which it arrives`,
      'use "token-bucket", "leaky-bucket" or "fixed-window" for what is waited for',
    );
  }
  if (mostReservable(policy) < 1) {
    misconfigured(
      where,
      `of policy ${name} ${stepTokens(policy)} tokens arrive at once, and it holds ${capacity}`,
      'make its steps shorter, or leave refillEverySeconds out',
    );
  }
}

/**
 * @throws InvalidChargeError for a cost that can never be paid, or that would have to wait for a later step than the one
 * in which the bucket has drained so far: it overflows in between, which the instant that is kept does not show, and
 * more would be promised than arrives.
 */
export function checkReservableCost(policy: Policy, cost: number): void {
  const most = mostReservable(policy);
  if (cost <= most) return;
  throw new InvalidChargeError(
    `Policy "${policy.name}": nothing of cost ${cost} can be waited for; expected at most ${most}` +
      (cost <= policy.capacity
        ? `, because its tokens arrive ${stepTokens(policy)} at once. Let them arrive evenly, or in shorter steps.`
        : ', the capacity.'),
  );
}

/** The highest cost that can be waited for; 0: none can. */
export function mostReservable(policy: Policy): number {
  return policy.intervalMicros === 0 ? policy.capacity : policy.capacity - stepTokens(policy) + 1;
}

function stepTokens({ refillTokens, intervalMicros, refillMicros }: Policy): number {
  return (refillTokens * intervalMicros) / refillMicros;
}
