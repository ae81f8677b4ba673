import { Controller, type ControllerOptions, Get, type Type } from '@nestjs/common';
import { Decision, RateLimit, RateLimitDecision } from 'nestjs-token-bucket';

/** The identities of the policies that applied to the request, for handlers to answer with. */
export function policyIds(decision: Decision): readonly string[] {
  return decision.policies.map(({ policy }) => policy.id);
}

/** Another class at every call, always with the same name, the same method and the same limits. */
export function reportsController(options: ControllerOptions): Type {
  @Controller(options)
  @RateLimit(8, 60, { name: 'of-class' })
  class ReportsController {
    @Get()
    @RateLimit(4, 60)
    list(@RateLimitDecision() decision: Decision): readonly string[] {
      return policyIds(decision);
    }
  }
  return ReportsController;
}
