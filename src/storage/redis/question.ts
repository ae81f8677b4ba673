import { toStorageFailure } from './failures.js';

/** What was asked of Redis. It is answered or fails once; whatever else comes of it later is ignored. */
export interface Question {
  /** Whether it has neither been answered nor failed. Once it has, nothing more may be sent on its behalf. */
  readonly isAwaited: boolean;
  /** The instant by which it must be answered, in ms of `performance.now()`. */
  dueMs: number;
  /** The one that was asked after it. */
  next: Question | undefined;
  readonly answer: (raw: unknown) => void;
  readonly fail: (error: unknown) => void;
}

/** A question whose answer is read into a T. */
export class QuestionFor<T> implements Question {
  isAwaited = true;
  dueMs = Infinity;
  next: Question | undefined;

  constructor(
    private readonly read: (raw: unknown) => T,
    private readonly resolve: (answer: T) => void,
    private readonly reject: (error: Error) => void,
  ) {}

  readonly answer = (raw: unknown): void => {
    if (!this.isAwaited) return;
    this.isAwaited = false;
    try {
      this.resolve(this.read(raw));
    } catch (error) {
      this.reject(toStorageFailure(error));
    }
  };

  readonly fail = (error: unknown): void => {
    if (!this.isAwaited) return;
    this.isAwaited = false;
    this.reject(toStorageFailure(error));
  };
}
