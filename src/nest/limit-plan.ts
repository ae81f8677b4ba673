import { DEFAULT_POLICY_NAME } from '../core/bucket-shape.js';
import { describeValue, misconfigured } from '../core/errors.js';
import type { Policy } from '../core/policy.js';
import {
  type CostFunction,
  copyOptions,
  LIMIT_KEYS,
  type LimitDefinition,
  type Limits,
  NUMBERS_KEYS,
  type SkipFunction,
  type TiersShape,
} from './limit-definition.js';
import {
  choiceByFunction,
  choiceByTier,
  type CommonDefinition,
  policiesByTier,
  policiesOf,
  type PolicyChoice,
} from './limit-policies.js';
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
  const { policies, choose } = policiesWritten(numbers, common, where);
  const limit = plannedLimit({
    name: common.name,
    policies,
    choose,
    subject: by === undefined ? defaultSubject : toSubjectResolver(by as SubjectResolver, `${where} by`),
    cost: cost === undefined ? 1 : checkedCost(cost, policies, where),
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

interface PoliciesWritten {
  readonly policies: readonly Policy[];
  readonly choose: PolicyChoice | undefined;
}

function policiesWritten(numbers: Untyped, common: CommonDefinition, where: string): PoliciesWritten {
  const { limits, tiers, tier } = numbers;
  rejectTwoWays(numbers, where);
  if (tiers !== undefined || tier !== undefined) return byTier(tiers as TiersShape['tiers'], tier, common, where);
  if (typeof limits === 'function') {
    rejectSlidingFunction(common, where);
    // What a request cannot change is checked now, with numbers that are always good.
    policiesOf({ capacity: 1, perSeconds: 1 }, { ...common, refillEverySeconds: undefined }, where);
    return { policies: [], choose: choiceByFunction(limits as () => Limits, common, where) };
  }
  const written = limits === undefined ? bucketOf(numbers) : (limits as Limits);
  if (limits !== undefined && typeof limits !== 'string' && !Array.isArray(limits)) {
    misconfigured(
      where,
      `limits is ${describeValue(limits)}`,
      `write a limit string such as '10/second; 1000/hour', a list, or a function of the execution context`,
    );
  }
  return { policies: policiesOf(written, common, where), choose: undefined };
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
  return {
    policies: [...table.values()].flat(),
    choose: choiceByTier(table, tier as TiersShape['tier'], where),
  };
}

/** A shorter window forgets what a longer one has to remember, so that alternating between the two would lift both. */
function rejectSlidingFunction({ algorithm }: CommonDefinition, where: string): void {
  if (algorithm !== 'sliding-window-log' && algorithm !== 'sliding-window-counter') return;
  misconfigured(
    where,
    `algorithm is "${algorithm}" for numbers that a request decides, and one window cannot be of two lengths`,
    'use tiers, which have windows of their own, or another algorithm',
  );
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
function commonOf({ message, maxDebt, onStorageFailure, refillEverySeconds, algorithm }: Untyped): Untyped {
  const common: Untyped = { message, maxDebt, onStorageFailure, refillEverySeconds, algorithm };
  return Object.fromEntries(Object.entries(common).filter(([, value]) => value !== undefined));
}

/** @throws RateLimitConfigurationError for a number that no request could pay. */
export function checkedCost(cost: unknown, policies: readonly Policy[], where: string): number | CostFunction {
  if (typeof cost === 'function') return cost as CostFunction;
  if (typeof cost !== 'number' || !Number.isSafeInteger(cost) || cost < 1) {
    misconfigured(
      where,
      `cost is ${describeValue(cost)}`,
      'write a whole number of tokens, at least 1, or a function of the execution context',
    );
  }
  const tooSmall = policies.find(({ capacity }) => cost > capacity);
  if (tooSmall !== undefined) {
    if (tooSmall.algorithm === 'leaky-bucket') {
      misconfigured(
        where,
        `cost is ${cost}, and a leaky bucket gives one token at a time`,
        'use cost 1 or another algorithm',
      );
    }
    misconfigured(
      where,
      `cost ${cost} is above the capacity ${tooSmall.capacity} of policy "${tooSmall.name}", so every request would be refused`,
      'lower the cost or raise the capacity',
    );
  }
  return cost;
}
