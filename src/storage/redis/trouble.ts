import { toError } from './failures.js';

/** What a client says when it does not know the cause, or of what it did itself because of it. */
const UNTOLD =
  /^(Connection is closed|timeout$|Command timed out|Reached the max retries|Failed to refresh slots|None of startup nodes|Client network socket disconnected before secure TLS)/;

/**
 * Why a connection does not stand. A client tells of one attempt in several ways, and of a cluster so does every node, some
 * of them only that there was an error; the last of those that say which one is kept.
 */
export class Trouble {
  private cause: Error | undefined;
  private tell: () => void = () => {};
  /** Settles when a cause is told for the first time. */
  readonly told = new Promise<void>((resolve) => (this.tell = resolve));

  get latest(): Error | undefined {
    return this.cause;
  }

  get isTold(): boolean {
    return this.cause !== undefined && !UNTOLD.test(this.cause.message);
  }

  note(thrown: unknown): void {
    const error = toError(thrown);
    const says = !UNTOLD.test(error.message);
    if (this.isTold && !says) return;
    this.cause = error;
    if (says) this.tell();
  }

  /** The connection stands. */
  clear(): void {
    this.cause = undefined;
  }
}
