import { type CanActivate, type ExecutionContext, Inject, Injectable, Logger } from '@nestjs/common';
import type { Decision } from '../core/decision.js';
import { RouteObserver } from './observing/route-observer.js';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from './rate-limit.options.js';
import { type HandlerCall, handlerCallFor } from './request-decisions.js';
import { RoutePlans } from './route-plan.js';
import { RouteCharger } from './route-charger.js';
import { Settlement } from './settlement.js';
import { HttpAnswer } from './transports/http-answer.js';
import { isHttp, onceAnswered } from './transports/http-request.js';

/** Charges the limits whose subject is known before authentication, and refuses with a 429. Mounted by the module. */
@Injectable()
export class RateLimitGuard implements CanActivate {
  private warnedElsewhere = false;

  constructor(
    @Inject(RoutePlans) private readonly plans: RoutePlans,
    @Inject(RouteCharger) private readonly charger: RouteCharger,
    @Inject(HttpAnswer) private readonly answer: HttpAnswer,
    @Inject(Settlement) private readonly settlement: Settlement,
    @Inject(RouteObserver) private readonly observer: RouteObserver,
    @Inject(RATE_LIMIT_OPTIONS) private readonly options: ResolvedRateLimitOptions,
  ) {}

  /** Answers with a boolean, not a promise, wherever subjects and storage are synchronous. */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    if (!isHttp(context)) return this.letThrough(context);
    const plan = this.plans.of(context.getClass(), context.getHandler());
    if (plan === undefined) return true;
    const call = handlerCallFor(context, plan);
    if (call.guarded) return answerOf(call);
    call.guarded = true;
    return this.admit(call, context);
  }

  private admit(call: HandlerCall, context: ExecutionContext): boolean | Promise<boolean> {
    try {
      call.admission = call.plan.guard.length === 0 || this.charge(call, context);
      return call.admission;
    } catch (error) {
      call.refusal = error;
      throw error;
    }
  }

  private charge(call: HandlerCall, context: ExecutionContext): boolean | Promise<boolean> {
    const decision = this.charger.charge(call.plan.guard, context, call.openCharges);
    return decision instanceof Promise
      ? this.concludeLate(decision, call, context)
      : this.conclude(decision, call, context);
  }

  private async concludeLate(
    decision: Promise<Decision | undefined>,
    call: HandlerCall,
    context: ExecutionContext,
  ): Promise<boolean> {
    return this.conclude(await decision, call, context);
  }

  private conclude(decision: Decision | undefined, call: HandlerCall, context: ExecutionContext): boolean {
    call.decision = decision;
    if (decision === undefined) return true;
    if (!decision.allowed) throw this.charger.refusal(decision, context);
    if (call.openCharges !== undefined) this.settleWhereRefused(call, context);
    // Nest 11 takes the fields of an event stream on Fastify before it calls interceptors.
    if (this.options.headers.writtenBy === 'guard' || call.plan.isEventStream) this.answer.admit(decision, context);
    // With limits of the second phase nobody knows yet.
    if (this.observer.watchesAdmitted && call.plan.interceptor.length === 0) this.observer.admitted(decision, context);
    return true;
  }

  /** Where a guard behind ours refuses, our interceptor never hears of it; the answer does. */
  private settleWhereRefused(call: HandlerCall, context: ExecutionContext): void {
    onceAnswered(context, (status) => {
      if (!call.intercepted)
        void this.settlement.settle(call, { status, result: undefined, error: undefined }, context);
    });
  }

  private letThrough(context: ExecutionContext): boolean {
    if (!this.warnedElsewhere) {
      this.warnedElsewhere = true;
      new Logger('RateLimit').warn(
        `Rate limits apply to HTTP handlers only; "${context.getType()}" handlers such as ` +
          `${context.getClass().name}.${context.getHandler().name} are let through. This is said once.`,
      );
    }
    return true;
  }
}

/** The same answer again, and the same refusal: whoever catches it and asks once more has not been admitted. */
function answerOf({ refusal, admission }: HandlerCall): boolean | Promise<boolean> {
  if (refusal !== undefined) throw refusal;
  return admission ?? false;
}
