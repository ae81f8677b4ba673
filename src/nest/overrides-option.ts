import { Logger } from '@nestjs/common';
import { describeValue, misconfigured } from '../core/errors.js';
import { checkedRefreshSeconds, type OverridesOptions } from '../core/overrides/overrides-options.js';
import { RateLimitOverrides } from '../core/overrides/rate-limit-overrides.js';
import type { RateLimiter } from '../core/rate-limiter.js';
import { checkSpelling } from './subjects/spelling.js';

/** What the option means; undefined: nothing can be changed at run time. @throws RateLimitConfigurationError */
export function resolveOverrides(overrides: unknown, where: string): OverridesOptions | undefined {
  if (overrides === undefined || overrides === false) return undefined;
  if (overrides === true) return {};
  if (typeof overrides !== 'object' || overrides === null) {
    misconfigured(where, `overrides is ${describeValue(overrides)}`, 'use true, false or { refreshSeconds: 1 }');
  }
  return { refreshSeconds: checkedRefreshSeconds(overrides, `${where} overrides`) };
}

export function makeOverrides(limiter: RateLimiter, options: OverridesOptions | undefined): RateLimitOverrides {
  const logger = new Logger('RateLimit');
  return new RateLimitOverrides(limiter, options, {
    warn: (message) => logger.warn(message),
    checkSubject: checkSpelling,
  });
}
