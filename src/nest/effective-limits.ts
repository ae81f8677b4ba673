import { describeValue, listNames, misconfigured } from '../core/errors.js';
import { mayGive, rejectReservedName } from './bucket-claims.js';
import { isByFunction, type PlannedLimit } from './planned-limit.js';
import type { SkipDeclaration } from './rate-limit.declaration.js';

/** The limits of one route while its places are read from far to near. Names differ by more than their case. */
export class EffectiveLimits {
  private readonly byName = new Map<string, PlannedLimit>();

  add(limit: PlannedLimit): void {
    // Kept in its old position, a nearer limit would be listed where the farther one was declared.
    this.byName.delete(limit.name);
    this.byName.set(limit.name, limit);
  }

  skip(skip: SkipDeclaration, limitsHere: readonly PlannedLimit[], where: string): void {
    const clash = limitsHere.find(({ name }) => skip === 'all' || skip.includes(name));
    if (clash !== undefined) {
      misconfigured(
        where,
        `it lifts ${describeValue(clash.name)}, which @RateLimit sets on the same target`,
        'remove one of the two; to lift only the limits of farther places, name them: @SkipRateLimit(name)',
      );
    }
    if (skip === 'all') return this.byName.clear();
    for (const name of skip) {
      if (this.byName.delete(name)) continue;
      const known = listNames(this.byName.keys());
      misconfigured(
        where,
        `no limit named ${describeValue(name)} reaches this target (there: ${known})`,
        'correct the name or remove it',
      );
    }
  }

  list(where: string): readonly PlannedLimit[] {
    const limits = [...this.byName.values()];
    rejectRepeatedNames(limits, where);
    return limits;
  }
}

/** Case-insensitively, as the coming draft of the RateLimit fields compares names. */
export function rejectRepeatedNames(limits: readonly PlannedLimit[], where: string): void {
  const seen = new Map<string, string>();
  for (const limit of limits) {
    for (const name of namesOf(limit)) {
      const twin = seen.get(name.toLowerCase());
      if (twin !== undefined) {
        misconfigured(
          where,
          `two limits are named ${describeValue(twin)} and ${describeValue(name)}`,
          'give each a name of its own: @RateLimit(capacity, perSeconds, { name })',
        );
      }
      seen.set(name.toLowerCase(), name);
    }
  }
  rejectReservedNames(limits, where);
}

/** Names that a request may bring, so that it is no request at which this is found out. */
function rejectReservedNames(limits: readonly PlannedLimit[], where: string): void {
  for (const limit of limits.filter(isByFunction)) {
    const lowered = { name: limit.name.toLowerCase() };
    for (const other of limits) {
      if (other === limit) continue;
      const clash = [...namesOf(other)].find((name) => mayGive(lowered, name.toLowerCase()));
      if (clash === undefined) continue;
      rejectReservedName(limit.name, clash, where, where === other.where ? limit.where : other.where);
    }
  }
}

/** Of a limit, and of the policies that it consists of. */
function namesOf({ name, policies }: PlannedLimit): ReadonlySet<string> {
  return new Set([name, ...policies.map((policy) => policy.name)]);
}
