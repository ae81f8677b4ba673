import { toStorageFailure } from './failures.js';

/** What is told of the outcome of something sent to Redis. */
export interface Sent {
  /** Whether anybody still waits. Once nobody does, nothing more may be sent on their behalf. */
  readonly isAwaited: boolean;
  readonly answer: (raw: unknown) => void;
  readonly fail: (error: unknown) => void;
}

/** A promise of an answer. It is kept or broken once; whatever else comes of it later is ignored. */
export class Question<T> {
  isAwaited = true;
  /** The instant by which it must be answered, in ms of `performance.now()`. */
  dueMs = Infinity;
  /** The one that was asked after it. */
  next: Question<never> | undefined;

  constructor(
    private readonly resolve: (answer: T) => void,
    private readonly reject: (error: Error) => void,
  ) {}

  /** Whether an answer can still be of use to somebody, if it is asked now. */
  isInTime(nowMs: number): boolean {
    return this.isAwaited && nowMs < this.dueMs;
  }

  settle(answer: T): void {
    if (!this.isAwaited) return;
    this.isAwaited = false;
    this.resolve(answer);
  }

  break(error: unknown): void {
    if (!this.isAwaited) return;
    this.isAwaited = false;
    this.reject(toStorageFailure(error));
  }

  /** Broken because the time is over. */
  expire(error: Error): void {
    this.break(error);
  }
}

/** A question that is sent by itself; its answer is read into a T. */
export class LoneQuestion<T> extends Question<T> implements Sent {
  constructor(
    private readonly read: (raw: unknown) => T,
    resolve: (answer: T) => void,
    reject: (error: Error) => void,
  ) {
    super(resolve, reject);
  }

  readonly answer = (raw: unknown): void => {
    try {
      this.settle(this.read(raw));
    } catch (error) {
      this.break(error);
    }
  };

  readonly fail = (error: unknown): void => this.break(error);
}
