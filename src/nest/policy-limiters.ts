import { Inject, Injectable } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { Policy } from '../core/policy.js';
import { PolicyLimiter } from '../core/policy-limiter.js';
import { RateLimiter } from '../core/rate-limiter.js';
import { lonePolicy } from '../core/reservation.js';
import { SystemTimers, type Timers } from '../core/timers.js';
import { limiterUses } from './limiter-uses.js';
import { PolicyRegistry } from './policy-registry.js';
import { checkWaitFor } from './queue-checks.js';

/** The limiters of shared policies that code of the application is handed by name. */
@Injectable()
export class PolicyLimiters {
  private readonly made = new Map<Policy, PolicyLimiter>();

  constructor(
    @Inject(RateLimiter) private readonly limiter: RateLimiter,
    @Inject(PolicyRegistry) private readonly registry: PolicyRegistry,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(SystemTimers) private readonly timers: Timers,
  ) {}

  /**
   * The limiter of a policy, the same wherever it is named, or of a group. `undefined` for a name that only another
   * application of the process uses.
   * @throws RateLimitConfigurationError for a name that this one uses and does not declare
   */
  of(policyName: string): PolicyLimiter | undefined {
    const { inCode } = this.registry;
    const policies = inCode.find(policyName);
    if (policies?.length === 1) return this.limiterOf(policies[0]!);
    if (policies !== undefined) return new PolicyLimiter(this.limiter, policies, this.timers);
    for (const use of limiterUses(this.modules)) if (use.policyName === policyName) inCode.named(policyName, use.where);
    return undefined;
  }

  /** One for each policy, so that there is one line for whoever waits, on routes or in code. */
  limiterOf(policy: Policy): PolicyLimiter {
    let limiter = this.made.get(policy);
    if (limiter === undefined) this.made.set(policy, (limiter = new PolicyLimiter(this.limiter, policy, this.timers)));
    return limiter;
  }

  /** @throws RateLimitConfigurationError for a method that could never go on, or not as long as its options say. */
  checkWaits(): void {
    for (const { policyName, where, wait } of limiterUses(this.modules)) {
      const policies = wait === undefined ? undefined : this.registry.inCode.find(policyName);
      if (policies !== undefined) checkWaitFor(lonePolicy(policies, where), wait!, where);
    }
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
