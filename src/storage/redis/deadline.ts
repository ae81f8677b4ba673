import { setImmediate, setTimeout } from 'node:timers';
import { StorageTimeoutError } from '../../core/errors.js';
import { outsideRequests } from '../../core/outside-requests.js';
import type { Question } from './question.js';

/**
 * Fails questions that are not answered in time. All have the same time, so they fall due in the order in which they
 * were asked, and one timer watches the first of them. It never keeps the process alive.
 */
export class Deadline {
  private first: Question<never> | undefined;
  private last: Question<never> | undefined;
  private hasTimer = false;

  /** @param limitMs milliseconds from the question to its failure. */
  constructor(private readonly limitMs: number) {}

  watch(question: Question<never>): void {
    question.dueMs = performance.now() + this.limitMs;
    this.dropSettled();
    if (this.first === undefined) this.first = question;
    else this.last!.next = question;
    this.last = question;
    if (!this.hasTimer) this.setTimer(this.limitMs);
  }

  /** Lets go of those that lead the queue and are done with, or a whole deadline's worth would grow old in memory. */
  private dropSettled(): void {
    let { first } = this;
    while (first !== undefined && !first.isAwaited) {
      const { next } = first;
      // A client may hold on to a question for long; it must not hold all that were asked since.
      first.next = undefined;
      first = next;
    }
    this.first = first;
  }

  private setTimer(delayMs: number): void {
    this.hasTimer = true;
    // Answers that arrived while the event loop was busy are read after its timers: they get their turn first. So only
    // what was due by then is failed: the loop may be busy once more before the immediate, and no answer read since.
    // (An immediate that is unref'd would wait for other events; this one lasts no longer than the turn anyway.)
    const atTime = () => {
      const nowMs = performance.now();
      setImmediate(() => this.failOverdue(nowMs));
    };
    // What fell due since the last look is none to come; of a negative delay Node warns from 22 on.
    outsideRequests(() => setTimeout(atTime, Math.max(1, delayMs)).unref());
  }

  private failOverdue(nowMs: number): void {
    this.dropSettled();
    while (this.first !== undefined && this.first.dueMs <= nowMs) {
      this.first.expire(new StorageTimeoutError(`Redis did not answer within ${this.limitMs} ms.`));
      this.dropSettled();
    }
    this.hasTimer = false;
    if (this.first !== undefined) this.setTimer(this.first.dueMs - performance.now());
  }
}
