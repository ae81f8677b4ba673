import type { Logger } from '@nestjs/common';
import { isPromiseLike } from '../subjects/subject.js';

/** A function of the application that is told something, and whose mistakes change nothing but the log. */
export class Hook<Event> {
  private hasFailed = false;

  constructor(
    private readonly name: string,
    private readonly hook: (event: Event) => unknown,
    private readonly logger: Pick<Logger, 'error'>,
  ) {}

  /** Not waited for. */
  tell(event: Event): void {
    try {
      const done = this.hook(event);
      if (isPromiseLike(done)) Promise.resolve(done).catch(this.failed);
    } catch (error) {
      this.failed(error);
    }
  }

  private readonly failed = (error: unknown): void => {
    if (this.hasFailed) return;
    this.hasFailed = true;
    const isError = error instanceof Error;
    this.logger.error(
      `${this.name} failed: ${isError ? error.message : typeof error}. No answer depends on it. This is said once.`,
      isError ? error.stack : undefined,
    );
  };
}
