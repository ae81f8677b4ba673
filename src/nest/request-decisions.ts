import type { ExecutionContext } from '@nestjs/common';
import type { Decision } from '../core/decision.js';
import type { OpenCharges } from './planned-limit.js';
import type { RoutePlan } from './route-plan.js';
import { isHttp, rawRequestOf } from './transports/http-request.js';

/** What has been done for one call of one handler; kept so that a request is charged once however often we are mounted. */
export interface HandlerCall {
  /** Node's request: a copy of it, which may share what calls are remembered on, is another one. */
  readonly request: object;
  readonly controller: object;
  readonly handler: object;
  readonly plan: RoutePlan;
  decision: Decision | undefined;
  /** Charged, but not finally: their limits want to know how the request ends. */
  openCharges: OpenCharges[] | undefined;
  /** Set when our guard has met this call: another mounting of it must not charge again. */
  guarded: boolean;
  /** What our guard answered, or is about to; another mounting of it answers the same. */
  admission: boolean | Promise<boolean> | undefined;
  /** What our guard or interceptor threw; nothing that asks again gets past it. */
  refusal: unknown;
  /** Set when our interceptor has met this call: another mounting of it must not charge or write again. */
  intercepted: boolean;
  /** The same request in another handler, which an application reaches by calling `next()`. */
  readonly earlier: HandlerCall | undefined;
}

const CALLS = Symbol('RateLimitHandlerCalls');

interface Called {
  [CALLS]?: HandlerCall;
}

/** What has been done for the handler that is being called, if anything. */
export function handlerCallOf(context: ExecutionContext): HandlerCall | undefined {
  const request = rawRequestOf(context);
  return find(holderOf(request)[CALLS], request, context);
}

/** The same, begun now if nothing has been done. */
export function handlerCallFor(context: ExecutionContext, plan: RoutePlan): HandlerCall {
  const request = rawRequestOf(context);
  const holder = holderOf(request);
  const latest = holder[CALLS];
  return find(latest, request, context) ?? (holder[CALLS] = newCall(request, context, plan, latest));
}

function find(latest: HandlerCall | undefined, request: object, context: ExecutionContext): HandlerCall | undefined {
  const handler = context.getHandler();
  const controller = context.getClass();
  let call = latest;
  while (
    call !== undefined &&
    (call.handler !== handler || call.controller !== controller || call.request !== request)
  ) {
    call = call.earlier;
  }
  return call;
}

function newCall(
  request: object,
  context: ExecutionContext,
  plan: RoutePlan,
  earlier: HandlerCall | undefined,
): HandlerCall {
  return {
    request,
    controller: context.getClass(),
    handler: context.getHandler(),
    plan,
    decision: undefined,
    openCharges: plan.settles ? [] : undefined,
    guarded: false,
    admission: undefined,
    refusal: undefined,
    intercepted: false,
    earlier,
  };
}

/**
 * The list of header fields as they came: made for each request, and gone with it. Express gives every request a hidden class
 * of its own, to which adding a property costs two microseconds; a weak map of all requests costs as much.
 */
function holderOf(request: Called & { readonly rawHeaders?: Called }): Called {
  return request.rawHeaders ?? request;
}

export function decisionOf(context: ExecutionContext): Decision | undefined {
  return isHttp(context) ? handlerCallOf(context)?.decision : undefined;
}
