import { describeValue, misconfigured } from '../core/errors.js';
import type { Policy } from '../core/policy.js';
import { checkReservable, mostReservable } from '../core/reservation.js';
import { checkedMaxWaitMicros } from '../core/wait-options.js';
import type { PlannedLimit } from './planned-limit.js';

/** The longest wait in milliseconds, where requests wait. @throws RateLimitConfigurationError */
export function checkedWait(onExceeded: unknown, maxWaitMs: unknown, where: string): number | undefined {
  if (onExceeded !== undefined && onExceeded !== 'deny' && onExceeded !== 'wait') {
    misconfigured(where, `onExceeded is ${describeValue(onExceeded)}`, "use one of 'deny', 'wait'");
  }
  if (onExceeded !== 'wait') {
    if (maxWaitMs === undefined) return undefined;
    misconfigured(where, "maxWaitMs stands without onExceeded: 'wait'", "add onExceeded: 'wait', or remove it");
  }
  if (typeof maxWaitMs === 'number' && maxWaitMs > 0 && maxWaitMs !== Infinity) return maxWaitMs;
  return misconfigured(
    where,
    `maxWaitMs is ${describeValue(maxWaitMs)} with onExceeded: 'wait'; expected a number of milliseconds, more than 0`,
    'write how long a client may wait at most, which bounds the line',
  );
}

/** @throws RateLimitConfigurationError for a limit that requests cannot wait for. */
export function checkQueue({ policies, choose, cost, settles, maxWaitMs, where }: PlannedLimit): void {
  const [policy] = policies;
  if (policy === undefined || policies.length > 1 || choose !== undefined) {
    misconfigured(
      where,
      "onExceeded is 'wait' for what is not one bucket of numbers that are known at start",
      'give the limit that is waited for one capacity and one period, and a name of its own beside the others',
    );
  }
  if (settles !== undefined) {
    misconfigured(
      where,
      "refundIf or settle stands beside onExceeded: 'wait'; others have been promised times that count on what was taken",
      'put the two on limits of their own',
    );
  }
  checkWaitFor(policy, { cost, maxWaitMs }, where);
}

/** What is known at start of a wait. */
export interface StaticWait {
  /** Of a function nothing is known. */
  readonly cost?: unknown;
  readonly maxWaitMs?: number | undefined;
}

/** @throws RateLimitConfigurationError for a policy, a cost or a longest wait that nobody can wait for. */
export function checkWaitFor(policy: Policy, { cost, maxWaitMs }: StaticWait, where: string): void {
  checkReservable(policy, where);
  checkedMaxWaitMicros({ maxWaitMs }, policy, where);
  const most = mostReservable(policy);
  if (typeof cost !== 'number' || cost <= most) return;
  const isAboveCapacity = cost > policy.capacity;
  misconfigured(
    where,
    `cost is ${cost}, and of policy ${describeValue(policy.name)} at most ${most} can be waited for, ` +
      (isAboveCapacity ? 'its capacity' : 'because the tokens of a step arrive at once'),
    isAboveCapacity
      ? 'lower the cost or raise the capacity'
      : 'lower the cost, let tokens arrive evenly, or in shorter steps',
  );
}
