import { type Charge, checkCharge } from './charge.js';
import { Decision, type Receipt } from './decision.js';
import { listNames, misconfigured, WaitTooLongError } from './errors.js';
import { checkOptions } from './options.js';
import type { Policy } from './policy.js';
import type { ChargeRequest } from './charge-requests.js';
import type { RateLimiter } from './rate-limiter.js';
import { checkReservable, checkReservableCost, lonePolicy } from './reservation.js';
import type { MaybePromise } from './storage.js';
import { SystemTimers, type Timers } from './timers.js';
import { checkedMaxWaitMicros, WAIT_OPTIONS, type WaitOptions } from './wait-options.js';
import { WaitingRoom } from './waiting-room.js';

/** How a function waits for tokens before it runs. */
export interface ScheduleOptions extends WaitOptions {
  /** Whose bucket pays, for example `tenant:7`. Default: `everyone`, one bucket for all calls. */
  readonly subject?: string;
}

const SCHEDULE_OPTIONS: readonly string[] = ['subject', ...WAIT_OPTIONS];

/** Who pays where nobody is named: the same bucket as that of `everyone()` on routes. */
export const EVERYONE = 'everyone';

/**
 * A limiter that is bound to one policy, or to a group of several, each of which must admit what is asked: for limits in
 * code, and for waiting before somebody else's API is called.
 */
export class PolicyLimiter {
  /** One, or those of the group. */
  readonly policies: readonly Policy[];
  /** As messages name them. */
  private readonly name: string;
  /** Of a group there is none: see {@link lonePolicy}. */
  private readonly room: WaitingRoom | undefined;

  /** @throws RateLimitConfigurationError for an empty list */
  constructor(
    private readonly limiter: RateLimiter,
    policy: Policy | readonly Policy[],
    timers: Timers = new SystemTimers(),
  ) {
    const policies = [policy].flat();
    const [first] = policies;
    if (first === undefined) misconfigured('new PolicyLimiter', 'it was given no policy', 'pass at least one');
    this.policies = policies;
    this.name = `${policies.length === 1 ? 'policy' : 'policies'} ${listNames(policies.map(({ name }) => name))}`;
    this.room = policies.length === 1 ? new WaitingRoom(limiter.storage, first, timers) : undefined;
  }

  /**
   * Takes tokens or denies at once, like {@link RateLimiter.consume}.
   * @param cost integer ≥ 1; default 1
   * @throws InvalidChargeError · StorageFailureError
   */
  consume(subject: string, cost = 1): MaybePromise<Decision> {
    return this.limiter.consume(this.requests(subject, cost));
  }

  /** The answer that {@link consume} would give now, taking nothing. */
  peek(subject: string, cost = 1): MaybePromise<Decision> {
    return this.limiter.peek(this.requests(subject, cost));
  }

  /** Gives back what {@link consume} took, like {@link RateLimiter.refund}. What was waited for leaves no receipt. */
  refund(receipt: Receipt): MaybePromise<boolean> {
    return this.limiter.refund(receipt);
  }

  /**
   * Makes the bucket full, of a group all of them, like {@link RateLimiter.reset}: who waits for it in this process goes as
   * soon as that allows.
   */
  reset(subject: string): MaybePromise<void> {
    return this.limiter.reset(this.requests(subject));
  }

  /**
   * Waits until the tokens have arrived, first come, first served. They are reserved by one question to the storage, so
   * that the line is one for all processes that share it and nobody asks again; what is let go anywhere keeps within the
   * policy. Answers with the decision, which is always allowed.
   *
   * @throws WaitTooLongError when it would take longer than `maxWaitMs`, or the subject is blocked: nothing was charged
   * @throws the reason of `signal` when it is aborted: the tokens go to whoever waits behind, or back to the bucket
   * @throws InvalidChargeError · RateLimitConfigurationError for what can never be waited for, such as a group
   * @throws StorageFailureError · LimiterClosedError when the application closes
   */
  // Asynchronous as a whole, so that every error is a rejection; what comes before the first await happens at once.
  async wait(subject: string, options: WaitOptions = {}): Promise<Decision> {
    const where = `Waiting for ${this.name}`;
    checkOptions(options, WAIT_OPTIONS, where);
    const charge = { policy: lonePolicy(this.policies, where), subject, cost: options.cost ?? 1 };
    checkCharge(charge);
    return this.limiter.countWait(charge, this.reserve(this.room!, charge, options, where));
  }

  private async reserve(room: WaitingRoom, asked: Charge, options: WaitOptions, where: string): Promise<Decision> {
    const charge = this.overridden(asked);
    const maxWaitMicros = checkedMaxWaitMicros(options, asked.policy, where, charge.policy);
    checkReservable(charge.policy);
    checkReservableCost(charge.policy, charge.cost);
    options.signal?.throwIfAborted();
    return room.wait(charge, maxWaitMicros, options.signal);
  }

  /**
   * Runs a function when its tokens have arrived, and answers with its result.
   * @throws whatever the function throws, and as {@link wait}
   */
  async schedule<T>(run: () => T | PromiseLike<T>, options: ScheduleOptions = {}): Promise<T> {
    checkOptions(options, SCHEDULE_OPTIONS, `Scheduling for ${this.name}`);
    const { subject, ...waitOptions } = options;
    // A subject that is named but unknown is nobody, and not everyone.
    await this.wait('subject' in options ? (subject as string) : EVERYONE, waitOptions);
    return run();
  }

  /** As one question: all are taken, or none. */
  private requests(subject: string, cost?: number): ChargeRequest | readonly ChargeRequest[] {
    const requests = this.policies.map((policy): ChargeRequest => ({ policy, subject, cost }));
    return requests.length === 1 ? requests[0]! : requests;
  }

  /** With the numbers that count now. */
  private overridden(charge: Charge): Charge {
    const found = this.limiter.overrides?.apply([charge]) ?? [charge];
    if (!(found instanceof Decision)) return found[0]!;
    const { retryAfterMs } = found;
    throw new WaitTooLongError(`Policy "${charge.policy.name}": the subject is blocked.`, retryAfterMs);
  }

  /** Sends away everybody who waits; from then on nobody can. */
  close(): void {
    this.room?.close();
  }
}
