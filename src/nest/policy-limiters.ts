import { Inject, Injectable } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { describeValue, listNames, misconfigured } from '../core/errors.js';
import type { Policy } from '../core/policy.js';
import { PolicyLimiter } from '../core/policy-limiter.js';
import { RateLimiter } from '../core/rate-limiter.js';
import { limiterUses } from './limiter-uses.js';
import { PolicyRegistry } from './policy-registry.js';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from './rate-limit.options.js';

/** The limiters of shared policies that code of the application is handed by name. */
@Injectable()
export class PolicyLimiters {
  private readonly made = new Map<Policy, PolicyLimiter>();

  constructor(
    @Inject(RateLimiter) private readonly limiter: RateLimiter,
    @Inject(PolicyRegistry) private readonly registry: PolicyRegistry,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(RATE_LIMIT_OPTIONS) private readonly options: ResolvedRateLimitOptions,
  ) {}

  /**
   * The limiter of a policy, the same wherever it is named. `undefined` for a name that only another application of the
   * process uses.
   * @throws RateLimitConfigurationError for a name that this one uses and does not declare
   */
  of(policyName: string): PolicyLimiter | undefined {
    const policies = this.registry.sharedPolicies;
    const policy = policies.find(({ name }) => name === policyName);
    if (policy === undefined) {
      const known = listNames(policies.map(({ name }) => name));
      for (const use of limiterUses(this.modules)) {
        if (use.policyName !== policyName) continue;
        misconfigured(
          use.where,
          `unknown policy ${describeValue(policyName)}`,
          policies.some(({ name }) => name.startsWith(`${policyName}.`))
            ? `it is several policies; name one of them (declared: ${known})`
            : `declare it under policies in ${this.options.where} (declared: ${known})`,
        );
      }
      return undefined;
    }
    return this.limiterOf(policy);
  }

  /** One for each policy, so that there is one line for whoever waits, on routes or in code. */
  limiterOf(policy: Policy): PolicyLimiter {
    let limiter = this.made.get(policy);
    if (limiter === undefined) this.made.set(policy, (limiter = new PolicyLimiter(this.limiter, policy)));
    return limiter;
  }

  /** The policies whose limiters any class or factory of the application is handed, or a test in their place. */
  get usedNames(): ReadonlySet<string> {
    return new Set([...limiterUses(this.modules)].map(({ policyName }) => policyName));
  }

  /** Sends away everybody who waits. */
  close(): void {
    for (const limiter of this.made.values()) limiter.close();
  }
}
