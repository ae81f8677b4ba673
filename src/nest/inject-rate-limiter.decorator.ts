import { Inject } from '@nestjs/common';
import { getRateLimiterToken } from './named-limiters.module.js';

/**
 * Injects the {@link PolicyLimiter} of a shared policy, as a parameter of a constructor or a property. A policy that is
 * named so needs no `usedInCode`; one that nobody declares keeps the application from starting.
 */
export function InjectRateLimiter(policyName: string): ParameterDecorator & PropertyDecorator {
  return Inject(getRateLimiterToken(policyName));
}
