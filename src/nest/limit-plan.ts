import { DEFAULT_POLICY_NAME } from '../core/bucket-shape.js';
import { describeValue, misconfigured } from '../core/errors.js';
import type { Policy } from '../core/policy.js';
import { checkedCost } from './cost-check.js';
import {
  copyOptions,
  LIMIT_KEYS,
  type LimitDefinition,
  type Limits,
  NUMBERS_KEYS,
  type SkipFunction,
  type TiersShape,
} from './limit-definition.js';
import { choiceByFunction, choiceByTier, type CommonDefinition, policiesByTier, policiesOf } from './limit-policies.js';
import { checkedWait, checkQueue } from './queue-checks.js';
import { checkedFunction, checkedSettleRules, either } from './request-functions.js';
import { type PlannedLimit, plannedLimit } from './planned-limit.js';
import type { ResolvedRateLimitOptions } from './rate-limit.options.js';
import { type SubjectResolver, toSubjectResolver } from './subjects/subject.js';

/** A limit as it is written, checked and made ready for requests. @throws RateLimitConfigurationError */
export function planLimit(
  definition: LimitDefinition,
  place: string,
  where: string,
  { by: defaultSubject, skipIf: skipAll }: Pick<ResolvedRateLimitOptions, 'by' | 'skipIf'>,
): PlannedLimit {
  const {
    by,
    cost,
    skipIf,
    refundIf,
    settle,
    onExceeded,
    maxWaitMs,
    id: _id,
    name,
    ...numbers
  } = copyOptions<object>(definition, LIMIT_KEYS) as Untyped;
  const common = { ...commonOf(numbers), name: name ?? DEFAULT_POLICY_NAME, place } as CommonDefinition;
  const written = policiesWritten(numbers, common, where);
  const limit = plannedLimit({
    name: common.name,
    place,
    ...written,
    subject: by === undefined ? defaultSubject : toSubjectResolver(by as SubjectResolver, `${where} by`),
    cost: cost === undefined ? 1 : checkedCost(cost as LimitDefinition['cost'], written.priced, where),
    skipIf: either(skipAll, checkedFunction(skipIf as SkipFunction | undefined, 'skipIf', where)),
    settles: checkedSettleRules({ refundIf, settle }, where),
    maxWaitMs: checkedWait(onExceeded, maxWaitMs, where),
    where,
  });
  if (limit.maxWaitMs !== undefined) checkQueue(limit);
  if (numbers['maxDebt'] !== undefined && settle === undefined && place !== '') {
    misconfigured(where, 'maxDebt stands without settle, so nothing can be owed', 'add settle, or remove maxDebt');
  }
  return limit;
}

type Untyped = Readonly<Record<string, unknown>>;

type PoliciesWritten = Pick<PlannedLimit, 'policies' | 'choose' | 'priced' | 'groups' | 'unlimitedTiers'>;

function policiesWritten(numbers: Untyped, common: CommonDefinition, where: string): PoliciesWritten {
  const { limits, tiers, tier } = numbers;
  rejectTwoWays(numbers, where);
  if (tiers !== undefined || tier !== undefined) return byTier(tiers as TiersShape['tiers'], tier, common, where);
  if (typeof limits === 'function') {
    // What a request cannot change is checked now, with numbers that are always good.
    const samples = policiesOf({ capacity: 1, perSeconds: 1 }, common, where);
    return {
      policies: [],
      choose: choiceByFunction(limits as () => Limits, common, where),
      // Only a leaky bucket holds the same whatever a request says.
      priced: samples.filter(({ algorithm }) => algorithm === 'leaky-bucket'),
      groups: new Map(),
      unlimitedTiers: [],
    };
  }
  const written = limits === undefined ? bucketOf(numbers) : (limits as Limits);
  if (limits !== undefined && typeof limits !== 'string' && !Array.isArray(limits)) {
    misconfigured(
      where,
      `limits is ${describeValue(limits)}`,
      `write a limit string such as '10/second; 1000/hour', a list, or a function of the execution context`,
    );
  }
  const policies = policiesOf(written, common, where);
  const groups = groupsOf([[common.name, policies]]);
  return { policies, choose: undefined, priced: policies, groups, unlimitedTiers: [] };
}

function byTier(tiers: TiersShape['tiers'], tier: unknown, common: CommonDefinition, where: string): PoliciesWritten {
  const table = policiesByTier(tiers, common, where);
  if (typeof tier !== 'function') {
    misconfigured(
      where,
      `tier is ${describeValue(tier)}`,
      'write a function that finds the tier of a request: tier: (context) => …',
    );
  }
  const policies = [...table.values()].flat();
  const named = [...table].map(([name, ofTier]) => [`${common.name}.${name}`, ofTier] as const);
  return {
    policies,
    priced: policies,
    groups: groupsOf(named),
    unlimitedTiers: named.filter(([, ofTier]) => ofTier.length === 0).map(([name]) => name),
    choose: choiceByTier(table, tier as TiersShape['tier'], where),
  };
}

function groupsOf(named: readonly (readonly [name: string, policies: readonly Policy[]])[]): PlannedLimit['groups'] {
  return new Map(named.filter(([, policies]) => policies.length > 1));
}

/** A limit that is written in two ways would be one that nobody expects. */
function rejectTwoWays(numbers: Untyped, where: string): void {
  const { limits, tiers, tier, ...rest } = numbers;
  const ways = [
    limits === undefined ? undefined : 'limits',
    tiers === undefined && tier === undefined ? undefined : 'tiers',
    Object.entries(bucketOf(rest)).find(
      ([key, value]) => value !== undefined && key !== 'refillEverySeconds' && key !== 'algorithm',
    )?.[0],
  ].filter((way) => way !== undefined);
  if (ways.length < 2) return;
  misconfigured(where, `${ways.join(' and ')} both state the numbers of the limit`, 'keep one of them');
}

function bucketOf(numbers: Untyped): Limits {
  const { limits: _limits, tiers: _tiers, tier: _tier, ...shape } = numbers;
  return Object.fromEntries(Object.entries(shape).filter(([key]) => NUMBERS_KEYS.includes(key))) as unknown as Limits;
}

/** Options that hold for every policy of a limit. */
function commonOf({ message, quotaUnit, maxDebt, onStorageFailure, refillEverySeconds, algorithm }: Untyped): Untyped {
  const common: Untyped = { message, quotaUnit, maxDebt, onStorageFailure, refillEverySeconds, algorithm };
  return Object.fromEntries(Object.entries(common).filter(([, value]) => value !== undefined));
}
