import { type CallHandler, type ExecutionContext, Inject, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { type Decision, together } from '../core/decision.js';
import type { MaybePromise } from '../core/storage.js';
import { RouteObserver } from './observing/route-observer.js';
import { RateLimitExceededException, RateLimitUnavailableException } from './rate-limit.exception.js';
import { type HandlerCall, handlerCallFor, handlerCallOf } from './request-decisions.js';
import { RoutePlans } from './route-plan.js';
import { RouteCharger } from './route-charger.js';
import { settled } from './settled.js';
import { outcomeOf, Settlement } from './settlement.js';
import { HttpAnswer } from './transports/http-answer.js';
import { httpStatusOf, isHttp } from './transports/http-request.js';

/**
 * Charges the limits whose subject is only known after authentication, and writes the fields of an admitted request
 * before its handler runs, so that errors, streams and answers written by hand have them too. Mounted by the module.
 */
@Injectable()
export class RateLimitInterceptor implements NestInterceptor {
  constructor(
    @Inject(RoutePlans) private readonly plans: RoutePlans,
    @Inject(RouteCharger) private readonly charger: RouteCharger,
    @Inject(HttpAnswer) private readonly answer: HttpAnswer,
    @Inject(Settlement) private readonly settlement: Settlement,
    @Inject(RouteObserver) private readonly observer: RouteObserver,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> | Promise<Observable<unknown>> {
    if (!isHttp(context)) return next.handle();
    const call = handlerCallOf(context) ?? this.unguarded(context);
    if (call === undefined) return next.handle();
    if (call.intercepted) return this.again(call, next);
    call.intercepted = true;
    if (call.plan.interceptor.length === 0) return this.proceed(call, context, next);
    return this.chargeOrGiveBack(call, context, next);
  }

  /** Where another guard was put in the place of ours, as tests do: what is ours to charge is charged all the same. */
  private unguarded(context: ExecutionContext): HandlerCall | undefined {
    const plan = this.plans.of(context.getClass(), context.getHandler());
    return plan === undefined ? undefined : handlerCallFor(context, plan);
  }

  /** Whoever calls us once more, by another mounting or to try again, is charged no more and told the same. */
  private again({ refusal }: HandlerCall, next: CallHandler): Observable<unknown> {
    if (refusal !== undefined) throw refusal;
    return next.handle();
  }

  /**
   * Where we turn a user away in the second phase, what the first one took is given back. Errors of subjects are like
   * those of handlers: the charge stays, or whoever provokes them is limited by nothing.
   */
  private chargeOrGiveBack(
    call: HandlerCall,
    context: ExecutionContext,
    next: CallHandler,
  ): MaybePromise<Observable<unknown>> {
    const receipts = call.decision?.receipts ?? [];
    const rethrow = async (error: unknown): Promise<never> => {
      call.refusal = error;
      if (isOurFault(error)) await this.charger.giveBack(receipts);
      throw error;
    };
    try {
      const decision = this.charger.charge(call.plan.interceptor, context, call.openCharges);
      if (!(decision instanceof Promise)) return this.conclude(decision, call, context, next);
      return decision.then((late) => this.conclude(late, call, context, next)).catch(rethrow);
    } catch (error) {
      return rethrow(error);
    }
  }

  private conclude(
    decision: Decision | undefined,
    call: HandlerCall,
    context: ExecutionContext,
    next: CallHandler,
  ): Observable<unknown> {
    const earlier = call.decision;
    const all = earlier === undefined || decision === undefined ? (decision ?? earlier) : together(earlier, decision);
    call.decision = all;
    if (all?.allowed === false) throw this.charger.refusal(all, context);
    if (all !== undefined && this.observer.watchesAdmitted) this.observer.admitted(all, context);
    return this.proceed(call, context, next);
  }

  private proceed(call: HandlerCall, context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (call.decision !== undefined) this.answer.admit(call.decision, context);
    return call.plan.settles ? this.settling(call, context, next) : next.handle();
  }

  private settling(call: HandlerCall, context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return settled(next.handle(), (ending) =>
      this.settlement.settle(call, outcomeOf(ending, httpStatusOf(context)), context),
    );
  }
}

/**
 * A storage that is away, or limits of an authenticated user. Where a stranger is refused, guards have looked at what he
 * brought before, and the first phase has to be paid for that: else guessing credentials would be limited by nothing.
 */
function isOurFault(error: unknown): boolean {
  if (error instanceof RateLimitUnavailableException) return true;
  if (!(error instanceof RateLimitExceededException)) return false;
  const refusing = error.decision.policies.filter(({ allowed }) => !allowed);
  return refusing.every(({ subject }) => subject.startsWith('user:'));
}
