import type { ExecutionContext } from '@nestjs/common';
import { handlerCallFor, handlerCallOf } from './request-decisions.js';
import type { RoutePlan } from './route-plan.js';

class Controller {
  readonly name = 'any';
}
const handler = (): void => {};
const plan: RoutePlan = {
  route: 'Controller.handler',
  handler,
  isEventStream: false,
  settles: false,
  guard: [],
  interceptor: [],
};

function contextOf(request: object, of: () => void = handler): ExecutionContext {
  return {
    getArgByIndex: () => request,
    getClass: () => Controller,
    getHandler: () => of,
  } as unknown as ExecutionContext;
}

describe('The call of a handler', () => {
  it.each([
    ['a request', () => ({ headers: {}, rawHeaders: [] })],
    ['a request without a list of fields', () => ({ headers: {} })],
    ['a request that is wrapped', () => ({ headers: {}, raw: { headers: {}, rawHeaders: [] } })],
  ])('is the same for %s', (_name, make) => {
    const context = contextOf(make());
    expect(handlerCallOf(context)).toBeUndefined();
    const call = handlerCallFor(context, plan);
    expect([handlerCallFor(context, plan), handlerCallOf(context)]).toEqual([call, call]);
  });

  it('is another for another handler of the request', () => {
    const request = { headers: {}, rawHeaders: [] };
    const call = handlerCallFor(contextOf(request), plan);
    const other = contextOf(request, () => {});
    expect(handlerCallOf(other)).toBeUndefined();
    expect(handlerCallFor(other, plan)).not.toBe(call);
    expect(handlerCallOf(contextOf(request))).toBe(call);
  });

  it('is another for a request that is a copy, as batches are made of', () => {
    const request = { headers: {}, rawHeaders: ['Host', 'localhost'] };
    const call = handlerCallFor(contextOf(request), plan);
    const copy = contextOf({ ...request });
    expect(handlerCallOf(copy)).toBeUndefined();
    expect(handlerCallFor(copy, plan)).not.toBe(call);
  });
});
