import type { ExecutionContext } from '@nestjs/common';
import type { Decision } from '../core/decision.js';
import type { RoutePlan } from './route-plan.js';
import { isHttp, rawRequestOf } from './transports/http-request.js';

/** What has been done for one call of one handler; kept so that a request is charged once however often we are mounted. */
export interface HandlerCall {
  readonly controller: object;
  readonly handler: object;
  readonly plan: RoutePlan;
  decision: Decision | undefined;
  /** What our guard answered, or is about to; another mounting of it answers the same. */
  admission: boolean | Promise<boolean> | undefined;
  /** What our guard or interceptor threw; nothing that asks again gets past it. */
  refusal: unknown;
  /** Set when our interceptor has met this call: another mounting of it must not charge or write again. */
  intercepted: boolean;
  /** The same request in another handler, which an application reaches by calling `next()`. */
  readonly earlier: HandlerCall | undefined;
}

/** On the request itself, where it ends with it; a weak map of all requests costs each of them a microsecond. */
const CALL = Symbol('RateLimitHandlerCall');

interface Called {
  [CALL]?: HandlerCall;
}

export function handlerCallOf(context: ExecutionContext): HandlerCall | undefined {
  const handler = context.getHandler();
  const controller = context.getClass();
  let call = (rawRequestOf(context) as Called)[CALL];
  while (call !== undefined && (call.handler !== handler || call.controller !== controller)) call = call.earlier;
  return call;
}

export function rememberHandlerCall(context: ExecutionContext, plan: RoutePlan): HandlerCall {
  const request: Called = rawRequestOf(context);
  const call: HandlerCall = {
    controller: context.getClass(),
    handler: context.getHandler(),
    plan,
    decision: undefined,
    admission: undefined,
    refusal: undefined,
    intercepted: false,
    earlier: request[CALL],
  };
  request[CALL] = call;
  return call;
}

export function decisionOf(context: ExecutionContext): Decision | undefined {
  return isHttp(context) ? handlerCallOf(context)?.decision : undefined;
}
