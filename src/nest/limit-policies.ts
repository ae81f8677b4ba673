import type { ExecutionContext } from '@nestjs/common';
import type { PolicyDefinition } from '../core/bucket-shape.js';
import { describeValue, listNames, misconfigured, RateLimitConfigurationError } from '../core/errors.js';
import { parseLimits } from '../core/limit-string.js';
import { checkOptions } from '../core/options.js';
import { Policy } from '../core/policy.js';
import { RecentMap } from '../core/recent-map.js';
import type { MaybePromise } from '../core/storage.js';
import {
  copyOptions,
  GROUP_MEMBER_KEYS,
  type GroupMember,
  type LimitFunction,
  type Limits,
  type TiersShape,
} from './limit-definition.js';
import { whenKnown } from './maybe-promise.js';
import { handlerName } from './subjects/subject.js';

/** Finds the policies that limit a request. */
export type PolicyChoice = (context: ExecutionContext) => MaybePromise<readonly Policy[]>;

/** What all policies of one limit have in common. */
export interface CommonDefinition extends Pick<
  PolicyDefinition,
  'message' | 'quotaUnit' | 'maxDebt' | 'onStorageFailure' | 'refillEverySeconds' | 'algorithm'
> {
  readonly name: string;
  readonly place: string;
}

const UNLIMITED: readonly Policy[] = [];
/** Functions of requests that make new numbers for everybody would otherwise fill the memory with them. */
const NUMBERS_REMEMBERED = 10_000;

/**
 * The policies of a limit: one of its name, or several with names of their own behind it.
 * @param make a policy of each definition
 */
export function policiesOf(
  limits: Limits,
  common: CommonDefinition,
  where: string,
  make = (definition: PolicyDefinition): Policy => new Policy(definition, where),
): readonly Policy[] {
  const members = membersOf(limits, where);
  if (members.length === 0) {
    misconfigured(where, 'the list of limits is empty', 'write at least one limit, or remove it');
  }
  const alone = members.length === 1;
  const policies = members.map(({ name, ...member }) => {
    if (!alone && name === undefined) {
      misconfigured(
        where,
        `a limit of the list has no name: ${describeValue(member)}`,
        'name each of them, for example { name: "daily", capacity: 1000, perSeconds: 86400 }',
      );
    }
    const full = name === undefined ? common.name : `${common.name}.${name}`;
    return make({ ...common, ...member, name: full } as PolicyDefinition);
  });
  rejectTwins(policies, where);
  rejectIdleMembers(policies, where);
  return policies;
}

/** By a function, which gives numbers at every request; policies are made once for the same numbers. */
export function choiceByFunction(limits: LimitFunction, common: CommonDefinition, where: string): PolicyChoice {
  const known = new RecentMap<readonly Policy[]>(NUMBERS_REMEMBERED);
  const choose = (found: Limits, context: ExecutionContext): readonly Policy[] => {
    if (found === 'unlimited') return UNLIMITED;
    const at = `${where} for ${handlerName(context)}`;
    // Of copies, because JSON leaves out what an object of a class has getters for.
    const key = typeof found === 'string' ? found : JSON.stringify(membersOf(found, at));
    let policies = known.get(key);
    if (policies === undefined) {
      policies = policiesOf(found, common, at, (definition) => policyOfItsLength(definition, at));
      known.set(key, policies);
    }
    return policies;
  };
  return (context) => whenKnown(limits(context), (found) => choose(found, context));
}

/**
 * Of sliding windows each length has buckets of its own: in one bucket a shorter window would forget what a longer one has
 * to remember, and whoever alternates between the two would be free of the longer one.
 */
function policyOfItsLength(definition: PolicyDefinition, where: string): Policy {
  const policy = new Policy(definition, where);
  if (policy.windowMicros === 0) return policy;
  return new Policy({ ...definition, place: `${policy.place}/~${policy.quotaSeconds}s` }, where);
}

/** The policies of every tier, made at start. */
export function policiesByTier(
  tiers: TiersShape['tiers'],
  common: CommonDefinition,
  where: string,
): ReadonlyMap<string, readonly Policy[]> {
  if (typeof tiers !== 'object' || tiers === null || Object.keys(tiers).length === 0) {
    misconfigured(
      where,
      `tiers is ${describeValue(tiers)}`,
      'write an object with the limits of each tier by its name',
    );
  }
  const table = new Map(
    Object.entries(tiers).map(([tier, limits]): [string, readonly Policy[]] => [
      tier,
      limits === 'unlimited'
        ? UNLIMITED
        : policiesOf(limits, { ...common, name: `${common.name}.${tier}` }, `${where} tiers.${tier}`),
    ]),
  );
  const policies = [...table.values()].flat();
  if (policies.length === 0) {
    misconfigured(
      where,
      "every tier is 'unlimited', so nothing is limited",
      'write the limits of a tier, or remove it all',
    );
  }
  rejectTwins(policies, where);
  return table;
}

/** By the tier that a function names. */
export function choiceByTier(
  table: ReadonlyMap<string, readonly Policy[]>,
  tier: TiersShape['tier'],
  where: string,
): PolicyChoice {
  const choose = (found: string, context: ExecutionContext): readonly Policy[] => {
    const policies = table.get(found);
    if (policies !== undefined) return policies;
    throw new RateLimitConfigurationError(
      `${where}: the tier of a request to ${handlerName(context)} is ${describeValue(found)}; expected one of ` +
        `${listNames(table.keys())}. Remedy: add it to tiers, or answer with one of them.`,
    );
  };
  return (context) => whenKnown(tier(context), (found) => choose(found, context));
}

function membersOf(limits: Limits, where: string): readonly GroupMember[] {
  if (typeof limits === 'string') {
    const parsed = parseLimits(limits, where);
    // A string of one limit is that limit, and needs no name to tell it from others.
    return parsed.length === 1 ? parsed.map(({ capacity, perSeconds }) => ({ capacity, perSeconds })) : parsed;
  }
  const members: readonly unknown[] = Array.isArray(limits) ? limits : [limits];
  return members.map((member) => {
    checkOptions(member, GROUP_MEMBER_KEYS, where);
    return copyOptions(member as GroupMember, GROUP_MEMBER_KEYS);
  });
}

function rejectTwins(policies: readonly Policy[], where: string): void {
  const twin = policies.find(({ name }, i) => policies.findIndex((other) => other.name === name) !== i);
  if (twin === undefined) return;
  misconfigured(where, `two limits are named ${describeValue(twin.name)}`, 'give each a name of its own');
}

/** Of two limits over one period the larger never refuses anything. */
function rejectIdleMembers(policies: readonly Policy[], where: string): void {
  policies.forEach(({ name, quotaSeconds, algorithm, intervalMicros }, i) => {
    const twin = policies
      .slice(0, i)
      .find(
        (other) =>
          other.quotaSeconds === quotaSeconds &&
          other.algorithm === algorithm &&
          other.intervalMicros === intervalMicros,
      );
    if (twin === undefined) return;
    misconfigured(
      where,
      `${describeValue(twin.name)} and ${describeValue(name)} are limits over the same ${quotaSeconds} s`,
      'keep the smaller one',
    );
  });
}
