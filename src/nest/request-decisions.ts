import type { ExecutionContext } from '@nestjs/common';
import type { Decision } from '../core/decision.js';
import { isHttp, rawRequestOf } from './transports/http-request.js';

/** What has been done for one call of one handler; kept so that a request is charged once however often we are mounted. */
export interface HandlerCall {
  readonly controller: object;
  readonly handler: object;
  decision: Decision | undefined;
  /** What our guard answered, or is about to; another mounting of it answers the same. */
  admission: boolean | Promise<boolean> | undefined;
  /** What our guard threw; nothing that asks again gets past it. */
  refusal: unknown;
  /** Set when our interceptor has met this call: another mounting of it must not charge or write again. */
  intercepted: boolean;
  /** The same request in another handler, which an application reaches by calling `next()`. */
  readonly earlier: HandlerCall | undefined;
}

/** Weak, so that nothing outlives its request. Outside of the guard, because parameter decorators have no injection. */
const calls = new WeakMap<object, HandlerCall>();

export function handlerCallOf(context: ExecutionContext): HandlerCall | undefined {
  const handler = context.getHandler();
  const controller = context.getClass();
  let call = calls.get(rawRequestOf(context));
  while (call !== undefined && (call.handler !== handler || call.controller !== controller)) call = call.earlier;
  return call;
}

export function rememberHandlerCall(context: ExecutionContext): HandlerCall {
  const request = rawRequestOf(context);
  const call: HandlerCall = {
    controller: context.getClass(),
    handler: context.getHandler(),
    decision: undefined,
    admission: undefined,
    refusal: undefined,
    intercepted: false,
    earlier: calls.get(request),
  };
  calls.set(request, call);
  return call;
}

export function decisionOf(context: ExecutionContext): Decision | undefined {
  return isHttp(context) ? handlerCallOf(context)?.decision : undefined;
}
