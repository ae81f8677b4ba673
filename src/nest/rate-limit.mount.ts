import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { ProblemFilter } from './problem.filter.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimitInterceptor } from './rate-limit.interceptor.js';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from './rate-limit.options.js';

/**
 * Mounts in its constructor, into the application's own configuration: providers are constructed before Nest registers
 * any `APP_GUARD` or `APP_INTERCEPTOR`, so ours come first whatever the order of imports.
 */
@Injectable()
export class RateLimitMount {
  constructor(
    @Inject(ApplicationConfig) config: ApplicationConfig,
    @Inject(RATE_LIMIT_OPTIONS) options: ResolvedRateLimitOptions,
    @Inject(RateLimitGuard) guard: RateLimitGuard,
    @Inject(RateLimitInterceptor) interceptor: RateLimitInterceptor,
    @Inject(ProblemFilter) problemFilter: ProblemFilter,
  ) {
    if (options.body === 'problem') config.addGlobalFilter(problemFilter);
    if (!options.global) return;
    config.addGlobalGuard(guard);
    if (options.headers.writtenBy === 'interceptor') config.addGlobalInterceptor(interceptor);
  }
}
