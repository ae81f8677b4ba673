import { type ExecutionContext, HttpException, Inject, Injectable } from '@nestjs/common';
import type { Charge } from '../core/charge.js';
import type { Clock } from '../core/clock.js';
import { Decision, PolicyDecision } from '../core/decision.js';
import { WaitTooLongError } from '../core/errors.js';
import { RateLimiter } from '../core/rate-limiter.js';
import { mostReservable } from '../core/reservation.js';
import { emptyReply } from '../core/storage.js';
import { SystemTimers } from '../core/timers.js';
import { chargesOf, type PlannedLimit } from './planned-limit.js';
import { PolicyLimiters } from './policy-limiters.js';
import { whenGone } from './transports/http-request.js';

/** What proxies log for a client that left; nobody is there to read it. */
const CLIENT_CLOSED_REQUEST = 499;

/** Lets requests wait for their tokens, first come, first served. */
@Injectable()
export class RouteQueue {
  constructor(
    @Inject(RateLimiter) private readonly limiter: RateLimiter,
    @Inject(PolicyLimiters) private readonly limiters: PolicyLimiters,
    @Inject(SystemTimers) private readonly clock: Clock,
  ) {}

  /**
   * Answers when the tokens have come, or with a denial when the line is too long; undefined where nothing is asked.
   * @throws an HttpException when the client has gone, whose tokens are then those of the next
   */
  async wait(limit: PlannedLimit, context: ExecutionContext): Promise<Decision | undefined> {
    const [charge] = await chargesOf(limit, context);
    if (charge === undefined) return undefined;
    const { policy, subject, cost } = charge;
    const { overrides } = this.limiter;
    const counted = overrides?.policyOf(charge) ?? policy;
    // Who is blocked, or asks for what no wait can bring, is answered at once.
    if (overrides?.denialOf(subject, [charge]) !== undefined || cost > mostReservable(counted)) {
      return this.limiter.consume(charge);
    }
    const gone = new AbortController();
    const unwatch = whenGone(context, () =>
      gone.abort(new HttpException('The client has gone.', CLIENT_CLOSED_REQUEST)),
    );
    try {
      return await this.limiters
        .limiterOf(policy)
        .wait(subject, { cost, signal: gone.signal, maxWaitMs: limit.maxWaitMs });
    } catch (error) {
      if (error instanceof WaitTooLongError) return this.denial({ policy: counted, subject, cost }, error.retryAfterMs);
      throw error;
    } finally {
      unwatch();
    }
  }

  /** The bucket is empty and the tokens of the line's whole length are promised: nothing changes before it is shorter. */
  private denial(charge: Charge, retryAfterMs: number): Decision {
    const nowMicros = this.clock.unixMicros();
    const retryAtMicros = nowMicros + Math.ceil(retryAfterMs * 1000);
    const instants = {
      retryAtMicros,
      nextTokenAtMicros: retryAtMicros,
      fullAtMicros: retryAtMicros + charge.policy.perSeconds * 1_000_000,
    };
    const reply = { ...emptyReply(charge.policy, nowMicros, instants), unixMicros: nowMicros };
    return new Decision(false, new PolicyDecision(charge, false, reply, 0), []);
  }
}
