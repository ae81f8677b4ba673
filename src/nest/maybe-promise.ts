import type { MaybePromise } from '../core/storage.js';
import { isPromiseLike } from './subjects/subject.js';

/** Goes on with a value at once if it is there already, so that nothing waits that need not. */
export function whenKnown<T, R>(value: T | PromiseLike<T>, goOn: (known: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromiseLike(value) ? Promise.resolve(value).then(goOn) : goOn(value);
}

/** Goes on with all of them; those that are known later may fail before anybody waits for them. */
export function whenAllKnown<T, R>(
  values: readonly (T | Promise<T>)[],
  goOn: (known: readonly T[]) => MaybePromise<R>,
): MaybePromise<R> {
  return values.some((value) => value instanceof Promise)
    ? Promise.all(values).then(goOn)
    : goOn(values as readonly T[]);
}

/** Each value in turn. An earlier one that fails later than a later one throws must not be an unheard rejection. */
export function mapHeard<T, R>(list: readonly T[], map: (one: T) => MaybePromise<R>): readonly MaybePromise<R>[] {
  return list.map((one) => {
    const value = map(one);
    if (value instanceof Promise) value.catch(() => {});
    return value;
  });
}
