import { Global, Module, type Provider } from '@nestjs/common';
import { limiterToken } from './limiter-token.js';
import { PolicyLimiters } from './policy-limiters.js';

// Filled as code names limiters. Nest reads both when it knows all modules of an application, and so all names.
const providers: Provider[] = [];
const tokens: string[] = [];

/**
 * The injection token of the limiter of a shared policy: for `inject` of a factory, and for tests that put another in its
 * place, as in `overrideProvider(getRateLimiterToken('mails'))`.
 */
export function getRateLimiterToken(policyName: string): string {
  const token = limiterToken(policyName);
  if (!tokens.includes(token)) {
    tokens.push(token);
    const useFactory = (limiters: PolicyLimiters) => limiters.of(policyName);
    providers.push({ provide: token, useFactory, inject: [PolicyLimiters] });
  }
  return token;
}

/** A part of RateLimitModule that is a class of its own, because its lists grow until an application reads them. */
@Global()
@Module({ providers, exports: tokens })
export class NamedLimitersModule {}
