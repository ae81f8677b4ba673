import { describeValue, misconfigured } from '../core/errors.js';
import type { MaybePromise } from '../core/storage.js';
import type { SettleRules, SkipFunction } from './limit-definition.js';
import { whenKnown } from './maybe-promise.js';
import { httpRequestOf } from './transports/http-request.js';

/** @throws RateLimitConfigurationError for what cannot be called. */
export function checkedFunction<T>(value: T | undefined, option: string, where: string, of = 'context'): T | undefined {
  if (value === undefined || typeof value === 'function') return value;
  return misconfigured(where, `${option} is ${describeValue(value)}`, `write a function: ${option}: (${of}) => …`);
}

/** @throws RateLimitConfigurationError for what cannot be called. */
export function checkedSettleRules(
  { refundIf, settle }: { readonly refundIf?: unknown; readonly settle?: unknown },
  where: string,
): SettleRules | undefined {
  if (refundIf === undefined && settle === undefined) return undefined;
  return {
    refundIf: checkedFunction(refundIf as SettleRules['refundIf'], 'refundIf', where, 'outcome'),
    settle: checkedFunction(settle as SettleRules['settle'], 'settle', where, 'outcome'),
  };
}

/** Both rules hold: whoever one of them lets through is let through. */
export function either(one: SkipFunction | undefined, other: SkipFunction | undefined): SkipFunction | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  // What is neither true nor false is handed on, to be refused.
  const both: SkipFunction = (context) =>
    whenKnown(one(context), (skips: unknown) => (skips === false ? other(context) : (skips as boolean)));
  return Object.assign(both, addressUse([one, other].find(({ usesAddress }) => usesAddress === true)));
}

/** The same answer for all limits of a request to a handler. */
export function oncePerRequest(skipIf: SkipFunction | undefined): SkipFunction | undefined {
  if (skipIf === undefined) return undefined;
  const answers = new WeakMap<object, { readonly handler: unknown; readonly skips: MaybePromise<boolean> }>();
  const once: SkipFunction = (context) => {
    const request = httpRequestOf(context);
    const handler = context.getHandler();
    const known = answers.get(request);
    if (known?.handler === handler) return known.skips;
    const skips = skipIf(context);
    answers.set(request, { handler, skips });
    return skips;
  };
  return Object.assign(once, addressUse(skipIf));
}

/** What a rule made of others has to say of the client's address. */
function addressUse(rule: SkipFunction | undefined): Pick<SkipFunction, 'usesAddress' | 'description'> {
  return rule?.usesAddress === true ? { usesAddress: true, description: rule.description } : {};
}
