import { Observable } from 'rxjs';

/** How a handler ended: with the last value it gave, or with an error. */
export type Ending = { readonly result: unknown } | { readonly error: unknown };

/**
 * The same values, whose end is told to the client only after `settle` has heard of it. Who unsubscribes before, as Nest
 * does for a client that leaves an event stream, leaves it unsettled.
 */
export function settled(source: Observable<unknown>, settle: (ending: Ending) => Promise<void>): Observable<unknown> {
  return new Observable((subscriber) => {
    let result: unknown;
    const end = async (ending: Ending, tell: () => void): Promise<void> => {
      await settle(ending);
      tell();
    };
    return source.subscribe({
      next: (value) => {
        result = value;
        subscriber.next(value);
      },
      error: (error: unknown) => void end({ error }, () => subscriber.error(error)),
      complete: () => void end({ result }, () => subscriber.complete()),
    });
  });
}
