import { Inject, Injectable } from '@nestjs/common';
import { describeValue, listNames, misconfigured } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import { placeOf, type Policy } from '../core/policy.js';
import { BucketClaims } from './bucket-claims.js';
import { checkedCost } from './cost-check.js';
import {
  LIMIT_KEYS,
  type LimitDefinition,
  SHARED_POLICY_KEYS,
  SHARED_POLICY_USE_KEYS,
  type SharedPolicyDefinition,
  type SharedPolicyUse,
  toDefinition,
} from './limit-definition.js';
import { planLimit } from './limit-plan.js';
import { namesInCode, type PlannedLimit, plannedLimit } from './planned-limit.js';
import { PoliciesInCode } from './policies-in-code.js';
import { checkQueue } from './queue-checks.js';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from './rate-limit.options.js';
import { checkedFunction, checkedSettleRules, either } from './request-functions.js';

/** What a policy says that only requests can answer. */
const REQUEST_OPTIONS = ['by', 'cost', 'skipIf', 'refundIf', 'settle', 'onExceeded'];

/** Every limit of the application, its policies made once per place; finds two that claim one bucket but disagree. */
@Injectable()
export class PolicyRegistry {
  /** The module's own limit, which every route has unless a nearer one takes its name. */
  readonly moduleDefault: PlannedLimit | undefined;
  /** What code may name. */
  readonly inCode: PoliciesInCode;
  private readonly shared = new Map<string, PlannedLimit>();
  private readonly claims = new BucketClaims();
  private readonly applied = new Set<string>();

  constructor(@Inject(RATE_LIMIT_OPTIONS) private readonly options: ResolvedRateLimitOptions) {
    const { where } = options;
    if (options.default !== undefined) {
      this.moduleDefault = this.claims.claim(
        this.own(toDefinition<LimitDefinition>(options.default), () => '', `${where} default`),
      );
    }
    for (const [name, written] of Object.entries(options.policies)) {
      const at = `${where} policies.${name}`;
      const definition = toDefinition<SharedPolicyDefinition>(written);
      checkOptions(definition, SHARED_POLICY_KEYS, at);
      this.shared.set(name, this.claims.claim(planLimit({ ...definition, name }, '', at, options)));
    }
    const limits = this.moduleDefault === undefined ? [] : [this.moduleDefault];
    this.inCode = new PoliciesInCode([...limits, ...this.shared.values()], where);
  }

  /** All that limit anything, as far as routes have been seen, and those that code may name. */
  get policies(): readonly Policy[] {
    return this.claims.policies;
  }

  /** A limit declared at `place`, or at the place that its `id` stands for; nearer ones may still replace or lift it. */
  own(definition: LimitDefinition, place: () => string, where: string): PlannedLimit {
    checkOptions(definition, LIMIT_KEYS, where);
    const { id } = definition;
    if (id === undefined) return planLimit(definition, place(), where, this.options);
    if (typeof id !== 'string' || id === '') {
      misconfigured(
        where,
        `id is ${describeValue(id)}`,
        'write a non-empty text, the same wherever the bucket is shared',
      );
    }
    // `=` never comes out of the encoding of a place, so an id cannot meet a place by accident.
    return planLimit(definition, `=${placeOf(id)}`, where, this.options);
  }

  /** The shared policy of this name, with what this use says. */
  use(name: string, use: SharedPolicyUse, where: string): PlannedLimit {
    const planned = this.shared.get(name);
    if (planned === undefined) {
      const known = listNames(this.shared.keys());
      misconfigured(
        where,
        `unknown policy ${describeValue(name)}`,
        `declare it under policies in ${this.options.where} (declared: ${known}), or give numbers: @RateLimit(capacity, perSeconds)`,
      );
    }
    checkOptions(use, SHARED_POLICY_USE_KEYS, where);
    const { cost, skipIf } = use;
    const settles = checkedSettleRules(use, where);
    if (cost === undefined && skipIf === undefined && settles === undefined) return planned;
    const limit = plannedLimit({
      ...planned,
      cost: cost === undefined ? planned.cost : checkedCost(cost, planned.priced, where),
      skipIf: either(planned.skipIf, checkedFunction(skipIf, 'skipIf', where)),
      settles: settles ?? planned.settles,
      where,
    });
    if (limit.maxWaitMs !== undefined) checkQueue(limit);
    return limit;
  }

  /**
   * To be called when every route has been seen.
   * @param inCode the policies whose limiters code is handed
   * @throws RateLimitConfigurationError for a policy that limits nothing
   */
  rejectUnused(inCode: ReadonlySet<string> = new Set()): void {
    for (const [name, limit] of this.shared) {
      const { usedInCode } = toDefinition<Partial<SharedPolicyDefinition>>(this.options.policies[name]!);
      const where = `${this.options.where} policies.${name}`;
      if (usedInCode !== undefined && typeof usedInCode !== 'boolean') {
        misconfigured(where, `usedInCode is ${describeValue(usedInCode)}`, 'use true or false');
      }
      if (usedInCode === true && limit.policies.length === 0) {
        misconfigured(
          where,
          'usedInCode is true for numbers that a request decides, and in code there is none',
          'remove usedInCode, or state the numbers',
        );
      }
      if (this.applied.has(name)) continue;
      this.rejectRequestOptions(name, where);
      if (usedInCode === true || namesInCode(limit).some((one) => inCode.has(one))) continue;
      misconfigured(
        where,
        'no route is limited by this policy',
        `put @RateLimit('${name}') on a route, remove the policy, or say usedInCode: true if only RateLimiter.consume asks for it`,
      );
    }
  }

  /** Code says who is charged and what; nobody would ask what only requests can answer. */
  private rejectRequestOptions(name: string, where: string): void {
    const definition = toDefinition<Readonly<Record<string, unknown>>>(this.options.policies[name] as object as never);
    const idle = REQUEST_OPTIONS.find((option) => definition[option] !== undefined);
    if (idle === undefined) return;
    misconfigured(
      where,
      `${idle} has no meaning for a policy that no route names`,
      `remove ${idle}, or put @RateLimit('${name}') on a route`,
    );
  }

  /** To be called for a limit that applies to a route, whatever its place. @throws as {@link BucketClaims.claim} */
  apply(limit: PlannedLimit): PlannedLimit {
    if (this.shared.get(limit.name)?.policies === limit.policies) this.applied.add(limit.name);
    return this.claims.claim(limit);
  }
}
