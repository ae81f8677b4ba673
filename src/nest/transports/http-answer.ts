import { randomInt } from 'node:crypto';
import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Decision } from '../../core/decision.js';
import { isStorageFailure, LimiterClosedError } from '../../core/errors.js';
import { RateLimitStorage } from '../../core/storage.js';
import { HeaderWriter } from '../headers/header-writer.js';
import { OwnBody } from '../own-body.js';
import type { PlannedLimit } from '../planned-limit.js';
import { RateLimitExceededException, RateLimitUnavailableException } from '../rate-limit.exception.js';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from '../rate-limit.options.js';
import { exceededBody, PROBLEM_JSON, unavailableBody } from '../refusal-body.js';
import { httpResponseOf } from './http-request.js';

/** How an HTTP client is told: fields on the response now, because users' filters and handlers keep those; then one exception. */
@Injectable()
export class HttpAnswer {
  private readonly headers: HeaderWriter;
  private readonly ownBody: OwnBody | undefined;

  constructor(
    @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    @Inject(RATE_LIMIT_OPTIONS) private readonly options: ResolvedRateLimitOptions,
    @Inject(RateLimitStorage) storage: RateLimitStorage,
  ) {
    const { body, where } = options;
    this.headers = new HeaderWriter(adapterHost, options.headers, storage);
    this.ownBody = typeof body === 'function' ? new OwnBody(body, where) : undefined;
  }

  /** Nothing is told of limits that were not looked up: stale numbers are worse than none. */
  admit(decision: Decision, context: ExecutionContext): void {
    if (decision.isWithoutStorage) return;
    this.headers.writeDecision(httpResponseOf(context), decision);
  }

  /** The exception to throw; the fields are written when it is made. */
  refuse(decision: Decision, context: ExecutionContext): RateLimitExceededException {
    const laterSeconds = this.spread();
    // First, so that a function which makes bodies can read them.
    this.headers.writeDecision(httpResponseOf(context), decision, laterSeconds);
    const body = this.ownBody?.of(decision, context) ?? exceededBody(this.options.body, decision, laterSeconds);
    this.announceProblem(context);
    return new RateLimitExceededException(decision, body);
  }

  /** The error to throw for one that came up while charging: a failed storage is a 503, anything else stays what it is. */
  failure(error: unknown, planned: readonly PlannedLimit[], context: ExecutionContext): unknown {
    if (!isStorageFailure(error) && !(error instanceof LimiterClosedError)) return error;
    const laterSeconds = this.spread();
    this.headers.writeUnavailable(httpResponseOf(context), laterSeconds);
    this.announceProblem(context);
    const policies = planned.map(({ name }) => name);
    return new RateLimitUnavailableException(error, unavailableBody(this.options.body, policies, laterSeconds));
  }

  /** How much longer than need be one client is asked to wait, so that not all come back at one instant. */
  private spread(): number {
    const { retryJitterSeconds } = this.options.headers;
    // Not Math.random: who is refused often enough could tell what it gives others.
    return retryJitterSeconds === 0 ? 0 : randomInt(retryJitterSeconds + 1);
  }

  private announceProblem(context: ExecutionContext): void {
    if (this.options.body !== 'problem') return;
    this.adapterHost.httpAdapter.setHeader(httpResponseOf(context), 'Content-Type', PROBLEM_JSON);
  }
}
