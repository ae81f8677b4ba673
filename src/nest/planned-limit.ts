import type { ExecutionContext } from '@nestjs/common';
import type { Charge } from '../core/charge.js';
import { describeValue, InvalidChargeError } from '../core/errors.js';
import type { Policy } from '../core/policy.js';
import type { MaybePromise } from '../core/storage.js';
import { checkedAnswer } from './cost-check.js';
import type { CostFunction, SettleRules, SkipFunction } from './limit-definition.js';
import type { PolicyChoice } from './limit-policies.js';
import { whenAllKnown, whenKnown } from './maybe-promise.js';
import { handlerName, resolveSubject, type SubjectResolver } from './subjects/subject.js';
import { httpRequestOf } from './transports/http-request.js';

/** What a route is charged for one of its limits. */
export interface PlannedLimit {
  /** By which nearness goes: the limit's name, whatever those of its policies. */
  readonly name: string;
  /** Where its buckets belong to. */
  readonly place: string;
  /** Those that are known at start: all of the limit, or those of all its tiers. */
  readonly policies: readonly Policy[];
  /** The policies that stand under one name: all of the limit, or those of a tier. Of one policy there is none. */
  readonly groups: ReadonlyMap<string, readonly Policy[]>;
  /** The names of tiers that limit nothing. */
  readonly unlimitedTiers: readonly string[];
  /** Those that every static cost has to fit into: all that are known, or one that stands for what a request decides. */
  readonly priced: readonly Policy[];
  /** Set where a request decides which of them count, or which others. */
  readonly choose: PolicyChoice | undefined;
  readonly subject: SubjectResolver;
  readonly cost: number | CostFunction;
  readonly skipIf: SkipFunction | undefined;
  /** Set where the outcome of a request decides what it costs. */
  readonly settles: SettleRules | undefined;
  /** How long a request may wait for its tokens; undefined: it does not. */
  readonly maxWaitMs: number | undefined;
  /** Where the limit is written, for messages. */
  readonly where: string;
  /** Who of subject and rules goes by the client's address, for messages; undefined: none of them. */
  readonly byAddress: string | undefined;
  /** The policy of a limit whose only question to a request is who it comes from; most limits are such. */
  readonly sole: Policy | undefined;
}

/** What a request was charged for a limit whose cost is only known afterwards. */
export interface OpenCharges {
  readonly limit: PlannedLimit;
  readonly charges: readonly Charge[];
}

const NOTHING: readonly Charge[] = [];

/** With what follows from the rest. */
export function plannedLimit(limit: Omit<PlannedLimit, 'sole' | 'byAddress'>): PlannedLimit {
  const { policies, choose, cost, skipIf, settles, maxWaitMs } = limit;
  const asksNoMore =
    typeof cost === 'number' && [choose, skipIf, settles, maxWaitMs].every((rule) => rule === undefined);
  const byAddress = [limit.subject, skipIf].find((one) => one?.usesAddress === true);
  return {
    ...limit,
    sole: asksNoMore && policies.length === 1 ? policies[0] : undefined,
    byAddress: byAddress === undefined ? undefined : (byAddress.description ?? 'skipIf'),
  };
}

/** The names under which code finds policies: their own, and those of groups. */
export function namesInCode({ policies, groups }: Pick<PlannedLimit, 'policies' | 'groups'>): readonly string[] {
  return [...policies.map(({ name }) => name), ...groups.keys()];
}

/** Whether a request decides which policies a limit has, of which nothing is known before. */
export function isByFunction({ choose, policies }: PlannedLimit): boolean {
  return choose !== undefined && policies.length === 0;
}

/** What a request is charged for a limit: nothing where it is skipped or unlimited. */
export function chargesOf(limit: PlannedLimit, context: ExecutionContext): MaybePromise<readonly Charge[]> {
  if (limit.skipIf === undefined) return unlessUnlimited(limit, context);
  return whenKnown(limit.skipIf(context), (skips: unknown) => {
    if (skips === true) return NOTHING;
    if (skips === false) return unlessUnlimited(limit, context);
    throw new InvalidChargeError(
      `${limit.where}: skipIf gave ${describeValue(skips)} for ${handlerName(context)}; expected true or false. ` +
        'Remedy: compare what it finds, for example === true.',
    );
  });
}

function unlessUnlimited(limit: PlannedLimit, context: ExecutionContext): MaybePromise<readonly Charge[]> {
  if (limit.choose === undefined) return charged(limit, limit.policies, context);
  return whenKnown(limit.choose(context), (policies) =>
    policies.length === 0 ? NOTHING : charged(limit, policies, context),
  );
}

function charged(
  { subject, cost, where }: PlannedLimit,
  policies: readonly Policy[],
  context: ExecutionContext,
): MaybePromise<readonly Charge[]> {
  const who = resolveSubject(subject, context, httpRequestOf(context), where);
  if (typeof who === 'string' && typeof cost === 'number')
    return policies.map((policy) => ({ policy, subject: who, cost }));
  if (who instanceof Promise) who.catch(() => {});
  const asked =
    typeof cost === 'number'
      ? cost
      : whenKnown(cost(context), (given) => checkedAnswer(given, where, handlerName(context)));
  return whenAllKnown<string | number, readonly Charge[]>([who, asked], ([name, tokens]) =>
    policies.map((policy) => ({ policy, subject: name as string, cost: tokens as number })),
  );
}
