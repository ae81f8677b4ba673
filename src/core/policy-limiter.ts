import { type Charge, checkCharge } from './charge.js';
import { Decision, type Receipt } from './decision.js';
import { WaitTooLongError } from './errors.js';
import { checkOptions } from './options.js';
import type { Policy } from './policy.js';
import type { RateLimiter } from './rate-limiter.js';
import { checkReservable, checkReservableCost } from './reservation.js';
import type { MaybePromise } from './storage.js';
import { SystemTimers, type Timers } from './timers.js';
import { checkedMaxWaitMicros, WAIT_OPTIONS, type WaitOptions } from './wait-options.js';
import { WaitingRoom } from './waiting-room.js';

/** How a function waits for tokens before it runs. */
export interface ScheduleOptions extends WaitOptions {
  /** Whose bucket pays, for example `tenant:7`. Default: `everyone`, one bucket for all calls. */
  readonly subject?: string;
}

/** Who pays where nobody is named: the same bucket as that of `everyone()` on routes. */
export const EVERYONE = 'everyone';

/** A limiter that is bound to one policy: for limits in code, and for waiting before somebody else's API is called. */
export class PolicyLimiter {
  private readonly room: WaitingRoom;

  constructor(
    private readonly limiter: RateLimiter,
    readonly policy: Policy,
    timers: Timers = new SystemTimers(),
  ) {
    this.room = new WaitingRoom(limiter.storage, policy, timers);
  }

  /**
   * Takes tokens or denies at once, like {@link RateLimiter.consume}.
   * @param cost integer ≥ 1; default 1
   * @throws InvalidChargeError · StorageFailureError
   */
  consume(subject: string, cost = 1): MaybePromise<Decision> {
    return this.limiter.consume({ policy: this.policy, subject, cost });
  }

  /** The answer that {@link consume} would give now, taking nothing. */
  peek(subject: string, cost = 1): MaybePromise<Decision> {
    return this.limiter.peek({ policy: this.policy, subject, cost });
  }

  /** Gives back what {@link consume} took, like {@link RateLimiter.refund}. What was waited for leaves no receipt. */
  refund(receipt: Receipt): MaybePromise<boolean> {
    return this.limiter.refund(receipt);
  }

  /** Makes a bucket full. Who waits for it already keeps his time. */
  reset(subject: string): MaybePromise<void> {
    this.room.forgetPace(subject);
    return this.limiter.reset({ policy: this.policy, subject });
  }

  /**
   * Waits until the tokens have arrived, first come, first served. They are reserved by one question to the storage, so
   * that the line is one for all processes that share it and nobody asks again; what is let go anywhere keeps within the
   * policy. Answers with the decision, which is always allowed.
   *
   * @throws WaitTooLongError when it would take longer than `maxWaitMs`, or the subject is blocked: nothing was charged
   * @throws the reason of `signal` when it is aborted: the tokens go to whoever waits behind, or back to the bucket
   * @throws InvalidChargeError · RateLimitConfigurationError for what can never be waited for
   * @throws StorageFailureError · LimiterClosedError when the application closes
   */
  // Asynchronous as a whole, so that every error is a rejection; what comes before the first await happens at once.
  async wait(subject: string, options: WaitOptions = {}): Promise<Decision> {
    const where = `Waiting for policy "${this.policy.name}"`;
    checkOptions(options, WAIT_OPTIONS, where);
    const charge = { policy: this.policy, subject, cost: options.cost ?? 1 };
    checkCharge(charge);
    return this.limiter.countWait(charge, this.reserve(charge, options, where));
  }

  private async reserve(asked: Charge, options: WaitOptions, where: string): Promise<Decision> {
    const charge = this.overridden(asked);
    const maxWaitMicros = checkedMaxWaitMicros(options, charge.policy, where);
    checkReservable(charge.policy);
    checkReservableCost(charge.policy, charge.cost);
    options.signal?.throwIfAborted();
    return this.room.wait(charge, maxWaitMicros, options.signal);
  }

  /**
   * Runs a function when its tokens have arrived, and answers with its result.
   * @throws whatever the function throws, and as {@link wait}
   */
  async schedule<T>(run: () => T | PromiseLike<T>, options: ScheduleOptions = {}): Promise<T> {
    const { subject, ...waitOptions } = options;
    // A subject that is named but unknown is nobody, and not everyone.
    await this.wait('subject' in options ? (subject as string) : EVERYONE, waitOptions);
    return run();
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
    this.room.close();
  }
}
