import { describeValue, misconfigured } from '../core/errors.js';
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
  checkReservable(policy, where);
  checkedMaxWaitMicros({ maxWaitMs }, policy, where);
  const most = mostReservable(policy);
  if (typeof cost !== 'number' || cost <= most) return;
  misconfigured(
    where,
    `cost is ${cost}, and a request can wait for at most ${most}, because the tokens of a step arrive at once`,
    'lower the cost, let tokens arrive evenly, or in shorter steps',
  );
}
