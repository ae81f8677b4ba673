import { describeValue, misconfigured } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import { checkedMaxWaitMs } from '../core/wait-options.js';
import { checkedCost } from './cost-check.js';
import type { StaticWait } from './queue-checks.js';
import { checkedFunction } from './request-functions.js';

/**
 * How calls of a method wait. Functions are given the arguments of the call, of which they may leave out the last, and are
 * called on the object that the method is called on.
 */
export interface WaitForRateLimitOptions<
  S extends readonly unknown[] = readonly unknown[],
  C extends readonly unknown[] = readonly unknown[],
  G extends readonly unknown[] = readonly unknown[],
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

/** Stands on an asynchronous method that takes at least the arguments that the functions of its options are given. */
export type WaitForRateLimitDecorator<
  S extends readonly unknown[],
  C extends readonly unknown[],
  G extends readonly unknown[],
> = <
  M extends ((...args: [...S, ...never[]]) => Promise<unknown>) &
    ((...args: [...C, ...never[]]) => Promise<unknown>) &
    ((...args: [...G, ...never[]]) => Promise<unknown>),
>(
  target: object,
  property: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

const OPTIONS: readonly string[] = ['subject', 'cost', 'signal', 'maxWaitMs'];
/** Beside the key under which an object keeps its limiter. A text: two copies of the package still understand each other. */
const WAITS_METADATA = 'nestjs-token-bucket:waits';

/** @throws RateLimitConfigurationError for all that can be told of options where they are written. */
export function checkWaitOptions(options: unknown, where: string): void {
  checkOptions(options, OPTIONS, where);
  const { subject, cost, signal, maxWaitMs } = options as Partial<Record<string, unknown>>;
  if (subject !== undefined && typeof subject !== 'function' && (typeof subject !== 'string' || subject === '')) {
    misconfigured(
      where,
      `subject is ${describeValue(subject)}`,
      'write a non-empty text, a function of the arguments, or leave it out for one bucket of all calls',
    );
  }
  if (cost !== undefined) checkedCost(cost as WaitForRateLimitOptions['cost'], [], where, 'the arguments');
  checkedFunction(signal, 'signal', where, '…arguments');
  checkedMaxWaitMs(maxWaitMs, where);
}

/** Leaves the options for when the policy is known. */
export function rememberWait({ cost, maxWaitMs }: StaticWait, target: object, key: symbol): void {
  Reflect.defineMetadata(WAITS_METADATA, { cost, maxWaitMs } satisfies StaticWait, target, key);
}

/** What was remembered of the method whose limiter an object keeps under this key; `undefined` for other properties. */
export function rememberedWait(target: object, key: string | symbol): StaticWait | undefined {
  return Reflect.getMetadata(WAITS_METADATA, target, key) as StaticWait | undefined;
}
