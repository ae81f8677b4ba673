import { HttpException, HttpStatus } from '@nestjs/common';
import type { Decision } from '../core/decision.js';
import type { LimiterClosedError, StorageFailureError } from '../core/errors.js';

/** The request was refused by its limits (429). The header fields are on the response already; filters may reshape the body. */
export class RateLimitExceededException extends HttpException {
  constructor(
    readonly decision: Decision,
    body: string | Record<string, unknown>,
  ) {
    super(body, HttpStatus.TOO_MANY_REQUESTS);
  }
}

/** The storage could not decide (503): the service's fault, not the client's, and never a 429. */
export class RateLimitUnavailableException extends HttpException {
  constructor(cause: StorageFailureError | LimiterClosedError, body: string | Record<string, unknown>) {
    super(body, HttpStatus.SERVICE_UNAVAILABLE, { cause });
  }
}
