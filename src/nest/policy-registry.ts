import { Inject, Injectable } from '@nestjs/common';
import { BUCKET_SHAPE_KEYS } from '../core/bucket-shape.js';
import { describeValue, misconfigured } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import { placeOf, Policy } from '../core/policy.js';
import { copyOptions, LIMIT_KEYS, type LimitDefinition, type SharedPolicyUse } from './rate-limit.declaration.js';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from './rate-limit.options.js';
import { type SubjectResolver, toSubjectResolver } from './subjects/subject.js';

/** What a route is charged for one of its limits. */
export interface PlannedCharge {
  readonly policy: Policy;
  readonly subject: SubjectResolver;
  readonly cost: number;
  /** Where the limit is written, for messages. */
  readonly where: string;
}

const SHARED_POLICY_KEYS = [...BUCKET_SHAPE_KEYS, 'by', 'cost', 'onStorageFailure', 'usedInCode'];
const SHARED_POLICY_USE_KEYS = ['cost'];

/** Every policy of the application, made once per place; finds two that claim one bucket but disagree. */
@Injectable()
export class PolicyRegistry {
  /** The module's own limit, which every route has unless a nearer one takes its name. */
  readonly moduleDefault: PlannedCharge | undefined;
  private readonly shared = new Map<string, PlannedCharge>();
  private readonly claims = new Map<string, { readonly policy: Policy; readonly where: string }>();
  private readonly applied = new Set<string>();

  constructor(@Inject(RATE_LIMIT_OPTIONS) private readonly options: ResolvedRateLimitOptions) {
    const { where } = options;
    if (options.default !== undefined) {
      this.moduleDefault = this.claim(this.own(options.default, () => '', `${where} default`));
    }
    for (const [name, definition] of Object.entries(options.policies)) {
      const at = `${where} policies.${name}`;
      checkOptions(definition, SHARED_POLICY_KEYS, at);
      this.shared.set(name, this.claim(this.planned(definition, '', at, name)));
    }
  }

  /** The policies whose place is the application: those that code may name. */
  get sharedPolicies(): readonly Policy[] {
    const planned = this.moduleDefault === undefined ? [] : [this.moduleDefault];
    return [...planned, ...this.shared.values()]
      .filter(({ policy }) => policy.place === '')
      .map(({ policy }) => policy);
  }

  /** A limit declared at `place`, or at the place that its `id` stands for; nearer ones may still replace or lift it. */
  own(definition: LimitDefinition, place: () => string, where: string): PlannedCharge {
    checkOptions(definition, LIMIT_KEYS, where);
    const { id } = definition;
    if (id === undefined) return this.planned(definition, place(), where);
    if (typeof id !== 'string' || id === '') {
      misconfigured(
        where,
        `id is ${describeValue(id)}`,
        'write a non-empty text, the same wherever the bucket is shared',
      );
    }
    // `=` never comes out of the encoding of a place, so an id cannot meet a place by accident.
    return this.planned(definition, `=${placeOf(id)}`, where);
  }

  /** The shared policy of this name, with the cost of this use. */
  use(name: string, use: SharedPolicyUse, where: string): PlannedCharge {
    const planned = this.shared.get(name);
    if (planned === undefined) {
      const known = [...this.shared.keys()].map((key) => `"${key}"`).join(', ') || 'none';
      misconfigured(
        where,
        `unknown policy ${describeValue(name)}`,
        `declare it under policies in ${this.options.where} (declared: ${known}), or give numbers: @RateLimit(capacity, perSeconds)`,
      );
    }
    checkOptions(use, SHARED_POLICY_USE_KEYS, where);
    const { cost } = use;
    return cost === undefined ? planned : { ...planned, cost: checkedCost(cost, planned.policy, where), where };
  }

  /** To be called when every route has been seen. @throws RateLimitConfigurationError for a policy that limits nothing. */
  rejectUnused(): void {
    for (const name of this.shared.keys()) {
      if (this.applied.has(name) || this.options.policies[name]?.usedInCode === true) continue;
      misconfigured(
        `${this.options.where} policies.${name}`,
        'no route is limited by this policy',
        `put @RateLimit('${name}') on a route, remove the policy, or say usedInCode: true if only RateLimiter.consume asks for it`,
      );
    }
  }

  /** To be called for a limit that applies to a route, whatever its place. @throws as {@link claim} */
  apply(limit: PlannedCharge): PlannedCharge {
    this.applied.add(limit.policy.id);
    return this.claim(limit);
  }

  /**
   * One policy per bucket, however many routes or places share it.
   * @throws RateLimitConfigurationError when another limit claims the bucket and disagrees.
   */
  private claim(limit: PlannedCharge): PlannedCharge {
    const { policy, where } = limit;
    const bucketName = policy.place.startsWith('=') ? policy.place : policy.id;
    const earlier = this.claims.get(bucketName);
    if (earlier === undefined) {
      this.claims.set(bucketName, { policy, where });
      return limit;
    }
    if (earlier.policy === policy) return limit;
    // A class's limit is planned once per handler; the module's limits once each.
    if (policy.place !== '' && earlier.policy.agreesWith(policy)) return { ...limit, policy: earlier.policy };
    if (policy.place === '') {
      misconfigured(
        where,
        `${describeValue(policy.name)} is declared twice, here and at ${earlier.where}`,
        'rename one of them',
      );
    }
    misconfigured(
      where,
      `its bucket is already that of ${describeValue(earlier.policy.name)} of ${earlier.where}, with another name or other numbers`,
      'give it another id; limits of one id must agree in name, capacity and refill',
    );
  }

  private planned(definition: LimitDefinition, place: string, where: string, name = definition.name): PlannedCharge {
    const { by, cost, ...shape } = copyOptions(definition, LIMIT_KEYS);
    const policy = new Policy({ ...shape, name, place }, where);
    return {
      policy,
      subject: by === undefined ? this.options.by : toSubjectResolver(by, `${where} by`),
      cost: checkedCost(cost === undefined ? 1 : cost, policy, where),
      where,
    };
  }
}

function checkedCost(cost: unknown, policy: Policy, where: string): number {
  if (typeof cost !== 'number' || !Number.isSafeInteger(cost) || cost < 1) {
    misconfigured(where, `cost is ${describeValue(cost)}`, 'write a whole number of tokens, at least 1');
  }
  if (cost > policy.capacity) {
    misconfigured(
      where,
      `cost ${cost} is above the capacity ${policy.capacity} of policy "${policy.name}", so every request would be refused`,
      'lower the cost or raise the capacity',
    );
  }
  return cost;
}
