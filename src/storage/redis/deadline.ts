import { StorageTimeoutError } from '../../core/errors.js';
import { outsideRequests } from './outside-requests.js';

/** A question that somebody waits for, in the order of asking. */
class Pending {
  settled = false;
  next: Pending | undefined;

  constructor(
    readonly dueMs: number,
    readonly fail: (error: StorageTimeoutError) => void,
  ) {}
}

/**
 * Ends the wait for answers that do not come in time. All questions have the same time, so they fall due in the order
 * in which they were asked, and one timer watches the first of them. It never keeps the process alive.
 */
export class Deadline {
  private first: Pending | undefined;
  private last: Pending | undefined;
  private watching = false;

  /** @param limitMs milliseconds from the question to its failure. */
  constructor(private readonly limitMs: number) {}

  /**
   * The answer that `ask` promises, or a StorageTimeoutError when it comes too late; a late one is ignored.
   * `ask` is told how to find out whether anybody still waits.
   */
  run<T>(ask: (awaited: () => boolean) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const pending = this.add(reject);
      ask(() => !pending.settled).then(
        (answer) => {
          pending.settled = true;
          resolve(answer);
        },
        (error: unknown) => {
          pending.settled = true;
          reject(error);
        },
      );
    });
  }

  private add(fail: (error: StorageTimeoutError) => void): Pending {
    const pending = new Pending(performance.now() + this.limitMs, fail);
    if (this.last === undefined) this.first = pending;
    else this.last.next = pending;
    this.last = pending;
    if (!this.watching) this.watch(this.limitMs);
    return pending;
  }

  private watch(delayMs: number): void {
    this.watching = true;
    // Answers that arrived while the event loop was busy are read after its timers: they get their turn first.
    // (An immediate that is unref'd would wait for other events: this one lasts no longer than the turn anyway.)
    const atTime = () => setImmediate(() => this.failOverdue());
    outsideRequests(() => setTimeout(atTime, delayMs).unref());
  }

  private failOverdue(): void {
    const nowMs = performance.now();
    let pending = this.first;
    for (; pending !== undefined && (pending.settled || pending.dueMs <= nowMs); pending = pending.next) {
      if (pending.settled) continue;
      pending.settled = true;
      pending.fail(new StorageTimeoutError(`Redis did not answer within ${this.limitMs} ms.`));
    }
    this.first = pending;
    if (pending === undefined) {
      this.last = undefined;
      this.watching = false;
    } else {
      this.watch(pending.dueMs - nowMs);
    }
  }
}
