import { Inject } from '@nestjs/common';
import { misconfigured } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import { EVERYONE, type PolicyLimiter } from '../core/policy-limiter.js';
import { getRateLimiterToken } from './named-limiters.module.js';

type Arguments = readonly unknown[];

/**
 * How calls of a method wait. Functions are given the arguments of the call, of which they may leave out the last, and are
 * called on the object that the method is called on.
 */
export interface WaitForRateLimitOptions<
  S extends Arguments = Arguments,
  C extends Arguments = Arguments,
  G extends Arguments = Arguments,
> {
  /** Whose bucket pays. Default: `everyone`, one bucket for all calls. */
  readonly subject?: string | ((...args: S) => string);
  /** Tokens a call takes. Integer from 1 to the capacity. Default: 1. */
  readonly cost?: number | ((...args: C) => number);
  /** Ends the wait of a call, which then fails with the signal's reason. Default: none. */
  readonly signal?: (...args: G) => AbortSignal | undefined;
  /** The longest wait in milliseconds; a call that would wait longer fails at once. Default: as long as it takes. */
  readonly maxWaitMs?: number;
}

/** An asynchronous method with at least these arguments. */
type Taking<A extends Arguments> = (...args: [...A, ...never[]]) => Promise<unknown>;
type Method = (this: unknown, ...args: unknown[]) => unknown;

const OPTIONS: readonly string[] = ['subject', 'cost', 'signal', 'maxWaitMs'];

/**
 * Every call of the method first waits for tokens of a shared policy, first come, first served: for methods of providers
 * that call somebody else's API. The method must be asynchronous. Calls fail as {@link PolicyLimiter.wait} does.
 */
export function WaitForRateLimit<S extends Arguments = [], C extends Arguments = [], G extends Arguments = []>(
  policyName: string,
  options: WaitForRateLimitOptions<S, C, G> = {},
) {
  return <M extends Taking<S> & Taking<C> & Taking<G>>(
    target: object,
    property: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    const owner = typeof target === 'function' ? target.name : target.constructor.name;
    const where = `@WaitForRateLimit on ${owner}.${String(property)}`;
    checkOptions(options, OPTIONS, where);
    const method = descriptor.value as Method | undefined;
    if (typeof target === 'function' || typeof method !== 'function') {
      misconfigured(where, 'it stands on what is not a method of an instance', 'put it on a method of a provider');
    }
    const key = Symbol(where);
    Inject(getRateLimiterToken(policyName))(target, key);
    descriptor.value = waiting(method, key, where, options as WaitForRateLimitOptions) as unknown as M;
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
      cost: typeof cost === 'function' ? cost.apply(this, args) : cost,
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
