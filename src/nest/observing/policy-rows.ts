import { describeValue } from '../../core/errors.js';
import type { Policy } from '../../core/policy.js';
import type { PlannedLimit } from '../planned-limit.js';
import type { RoutePlan } from '../route-plan.js';

const ONE_TIER = 'one tier of several';

/** The columns that describe a limit of a route. */
export type PolicyRow = readonly [
  policy: string,
  limit: string,
  counts: string,
  who: string,
  cost: string,
  when: string,
];

/** One row per policy of a route, in the order in which they are asked, and per tier that has none. */
export function policyRows(plan: RoutePlan): readonly PolicyRow[] {
  return [
    ...plan.guard.flatMap((limit) => rowsOf(limit, 'before authentication')),
    ...plan.interceptor.flatMap((limit) => rowsOf(limit, 'after authentication')),
  ];
}

function rowsOf(limit: PlannedLimit, phase: string): readonly PolicyRow[] {
  const { policies, unlimitedTiers, subject, cost } = limit;
  const rest = [subject.description, `cost ${costText(cost)}`, [phase, ...dynamicsOf(limit)].join(', ')] as const;
  if (policies.length === 0) return [[limit.name, 'by a function', '', ...rest]];
  return [
    ...policies.map((policy): PolicyRow => [policy.name, numbersOf(policy), policy.algorithm, ...rest]),
    // Nobody is asked about, and nothing is charged.
    ...unlimitedTiers.map((tier): PolicyRow => [tier, 'unlimited', '', '', '', ONE_TIER]),
  ];
}

function costText(cost: PlannedLimit['cost']): string {
  return typeof cost === 'number' ? String(cost) : `by ${describeValue(cost)}`;
}

/** What a request decides. */
function dynamicsOf({ policies, choose, skipIf, settles, maxWaitMs }: PlannedLimit): readonly string[] {
  return [
    ...(choose !== undefined && policies.length > 0 ? [ONE_TIER] : []),
    ...(skipIf === undefined ? [] : ['unless skipIf']),
    ...(settles === undefined ? [] : ['settled afterwards']),
    ...(maxWaitMs === undefined ? [] : [`waits up to ${maxWaitMs / 1000} s`]),
  ];
}

function numbersOf({ quota, quotaSeconds, intervalMicros, algorithm }: Policy): string {
  const steps = algorithm === 'token-bucket' && intervalMicros > 0 ? `, every ${intervalMicros / 1_000_000} s` : '';
  return `${quota} per ${quotaSeconds} s${steps}`;
}
