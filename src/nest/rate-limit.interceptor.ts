import { type CallHandler, type ExecutionContext, Inject, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { Decision } from '../core/decision.js';
import type { MaybePromise } from '../core/storage.js';
import { type HandlerCall, handlerCallOf, rememberHandlerCall } from './request-decisions.js';
import { RoutePlans } from './route-plan.js';
import { RouteCharger } from './route-charger.js';
import { HttpAnswer } from './transports/http-answer.js';
import { isHttp } from './transports/http-request.js';

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
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> | Promise<Observable<unknown>> {
    if (!isHttp(context)) return next.handle();
    const plan = this.plans.of(context.getClass(), context.getHandler());
    if (plan === undefined) return next.handle();
    // None where another guard was put in the place of ours, as tests do: what is ours to charge is charged all the same.
    const call = handlerCallOf(context) ?? rememberHandlerCall(context);
    if (call.intercepted) return next.handle();
    call.intercepted = true;
    if (plan.interceptor.length === 0) return this.proceed(call, context, next);
    return this.charger.charge(plan.interceptor, context, (decision) => this.conclude(decision, call, context, next));
  }

  private conclude(
    decision: Decision,
    call: HandlerCall,
    context: ExecutionContext,
    next: CallHandler,
  ): MaybePromise<Observable<unknown>> {
    const earlier = call.decision;
    call.decision = earlier === undefined ? decision : earlier.and(decision);
    if (decision.allowed) return this.proceed(call, context, next);
    const refusal = this.answer.refuse(call.decision, context);
    if (earlier === undefined) throw refusal;
    return this.charger.giveBack(earlier.receipts).then(() => {
      throw refusal;
    });
  }

  private proceed(call: HandlerCall, context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (call.decision !== undefined) this.answer.admit(call.decision, context);
    return next.handle();
  }
}
