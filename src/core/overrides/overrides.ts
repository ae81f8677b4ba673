import type { Bucket, Charge } from '../charge.js';
import { Decision } from '../decision.js';
import { misconfigured } from '../errors.js';
import type { Policy } from '../policy.js';
import type { RateLimitStorage } from '../storage.js';
import { BlockedPolicyDecision } from './blocked-policy-decision.js';
import { type Kept, OverrideIndex } from './override-index.js';
import type { OverrideStore } from './override-store.js';

/**
 * What was decided at run time, as far as this process has been told. Asked with every charge, so it answers at once and
 * from memory: one look-up by subject, and none while nothing is overridden.
 */
export class Overrides {
  /** Replaced as a whole when everything has been read anew. For this package alone. */
  index = new OverrideIndex(() => {});

  constructor(readonly store: OverrideStore) {}

  /** The charges with the numbers that count now, or the denial of those whose subject is blocked. */
  apply(charges: readonly Charge[]): readonly Charge[] | Decision {
    const { index } = this;
    if (index.size === 0) return charges;
    let changed: Charge[] | undefined;
    for (let i = 0; i < charges.length; i++) {
      const charge = charges[i]!;
      const denial = this.denialOf(charge.subject, charges);
      if (denial !== undefined) return denial;
      const policy = this.policyOf(charge);
      if (policy === charge.policy) continue;
      changed ??= [...charges];
      changed[i] = { policy, subject: charge.subject, cost: charge.cost };
    }
    return changed ?? charges;
  }

  /** The bucket's policy with the numbers that count now. */
  policyOf({ policy, subject }: Bucket): Policy {
    const { bySubject, ofEvery } = this.index;
    const own = bySubject.get(subject)?.limits.get(policy.id);
    if (own !== undefined && this.counts(own)) return own.policyFor(policy);
    const ofAll = ofEvery.get(policy.id);
    return ofAll !== undefined && this.counts(ofAll) ? ofAll.policyFor(policy) : policy;
  }

  /** The denial of charges of which one is of this subject, if it is blocked. */
  denialOf(subject: string, charges: readonly Charge[]): Decision | undefined {
    const block = this.index.bySubject.get(subject)?.block;
    if (block === undefined) return undefined;
    const nowMicros = this.store.nowMicros();
    return isOver(block, nowMicros) ? undefined : this.denial(charges, nowMicros);
  }

  /** Of what was not asked nothing is known, so it tells only of those that are blocked. */
  private denial(charges: readonly Charge[], nowMicros: number): Decision {
    const said: BlockedPolicyDecision[] = [];
    for (const charge of charges) {
      const block = this.index.bySubject.get(charge.subject)?.block;
      if (block === undefined || isOver(block, nowMicros)) continue;
      const policy = this.policyOf(charge);
      said.push(new BlockedPolicyDecision({ ...charge, policy }, nowMicros, block.untilMicros || Infinity));
    }
    return new Decision(false, said, []);
  }

  private counts(kept: Kept): boolean {
    return kept.untilMicros === 0 || !isOver(kept, this.store.nowMicros());
  }
}

export function isOver({ untilMicros }: Kept, nowMicros: number): boolean {
  return untilMicros !== 0 && untilMicros <= nowMicros;
}

/** @throws RateLimitConfigurationError for a storage that keeps none. */
export function overridesOf(storage: RateLimitStorage, where: string): Overrides {
  const { overrideStore } = storage;
  if (overrideStore !== undefined) return new Overrides(overrideStore);
  return misconfigured(
    where,
    `the storage (${storage.constructor.name}) does not keep them`,
    'use MemoryStorage or RedisStorage, give yours an overrideStore, or leave out overrides',
  );
}
