import type { ExecutionContext } from '@nestjs/common';
import type { Decision } from '../../core/decision.js';
import type { StorageFailureError } from '../../core/errors.js';
import { clientLabel } from './client-label.js';

/** What hooks are told of every request. */
export interface RateLimitEvent {
  /** The route as messages name it: `ReportsController.list`. */
  readonly route: string;
  /**
   * Who asked, as logs may show it: {@link clientLabel} of the subject of the policy that binds. `unknown` where the
   * storage failed before it was known. Made when it is first read.
   */
  readonly client: string;
  readonly context: ExecutionContext;
}

/** A request that was admitted or denied. */
export interface RateLimitDecisionEvent extends RateLimitEvent {
  /** All that its limits said, of both phases. Its subjects are raw: they are not for logs. */
  readonly decision: Decision;
}

/** A request of which the storage could not be asked: it was decided without, or not at all. */
export interface RateLimitStorageFailureEvent extends RateLimitEvent {
  /** What was decided without the storage; `undefined` where the client is answered 503. */
  readonly decision: Decision | undefined;
  /** Why nobody decided; `undefined` where somebody did. */
  readonly error: StorageFailureError | undefined;
}

/** One class for all of them: what a hook reads is a getter where it costs something to find out. */
export class RequestEvent implements RateLimitEvent {
  // Not to be seen by whoever logs the event as a whole.
  readonly #subject: () => string | undefined;
  #client: string | undefined;

  constructor(
    readonly route: string,
    readonly context: ExecutionContext,
    subject: () => string | undefined,
    readonly decision: Decision | undefined,
    readonly error: StorageFailureError | undefined,
  ) {
    this.#subject = subject;
  }

  get client(): string {
    return (this.#client ??= labelOf(this.#subject()));
  }
}

function labelOf(subject: string | undefined): string {
  return subject === undefined ? 'unknown' : clientLabel(subject);
}
