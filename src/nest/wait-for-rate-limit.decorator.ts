import { Inject } from '@nestjs/common';
import { misconfigured } from '../core/errors.js';
import { EVERYONE, type PolicyLimiter } from '../core/policy-limiter.js';
import { checkedAnswer } from './cost-check.js';
import { limiterToken } from './limiter-token.js';
import { getRateLimiterToken } from './named-limiters.module.js';
import {
  checkWaitOptions,
  rememberWait,
  type WaitForRateLimitDecorator,
  type WaitForRateLimitOptions,
} from './wait-for-rate-limit.options.js';

type Method = (this: unknown, ...args: unknown[]) => unknown;

/**
 * Every call of the method first waits for tokens of a shared policy, first come, first served: for methods of providers
 * that call somebody else's API. The method must be asynchronous. Calls fail as {@link PolicyLimiter.wait} does.
 */
export function WaitForRateLimit<
  S extends readonly unknown[] = [],
  C extends readonly unknown[] = [],
  G extends readonly unknown[] = [],
>(policyName: string, options: WaitForRateLimitOptions<S, C, G> = {}): WaitForRateLimitDecorator<S, C, G> {
  return (target, property, descriptor) => {
    const owner = typeof target === 'function' ? target.name : target.constructor.name;
    const where = `@WaitForRateLimit on ${owner}.${String(property)}`;
    limiterToken(policyName, where);
    checkWaitOptions(options, where);
    const method = descriptor.value as unknown as Method | undefined;
    if (typeof target === 'function' || typeof method !== 'function') {
      misconfigured(where, 'it stands on what is not a method of an instance', 'put it on a method of a provider');
    }
    const key = Symbol(where);
    Inject(getRateLimiterToken(policyName))(target, key);
    rememberWait(options, target, key);
    descriptor.value = waiting(method, key, where, options as WaitForRateLimitOptions) as never;
  };
}

function waiting(method: Method, key: symbol, where: string, options: WaitForRateLimitOptions): Method {
  const { subject = EVERYONE, cost, signal, maxWaitMs } = options;
  async function waits(this: unknown, ...args: unknown[]): Promise<unknown> {
    const limiter = (this as Record<symbol, PolicyLimiter | undefined>)[key];
    if (limiter === undefined) {
      misconfigured(where, 'the object was not made by Nest, so it has no limiter', 'let Nest inject it');
    }
    const who = typeof subject === 'function' ? subject.apply(this, args) : subject;
    await limiter.wait(who, {
      cost: typeof cost === 'function' ? checkedAnswer(cost.apply(this, args), where, 'a call') : cost,
      signal: signal?.apply(this, args),
      maxWaitMs,
    });
    return method.apply(this, args);
  }
  // What stands below has been written onto the method, and what stands above looks for its name.
  for (const name of Reflect.getOwnMetadataKeys(method) as readonly unknown[]) {
    Reflect.defineMetadata(name, Reflect.getOwnMetadata(name, method), waits);
  }
  Object.defineProperty(waits, 'name', { value: method.name, configurable: true });
  Object.defineProperty(waits, 'length', { value: method.length, configurable: true });
  return waits;
}
