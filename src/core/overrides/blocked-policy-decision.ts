import type { Charge } from '../charge.js';
import { PolicyDecision } from '../decision.js';

/** What a policy says to a subject that is blocked: nothing is left until the block ends, whatever its bucket holds. */
export class BlockedPolicyDecision extends PolicyDecision {
  /** @param untilMicros the storage's time at which the block ends; `Infinity`: never. */
  constructor(charge: Charge, nowMicros: number, untilMicros: number) {
    super(charge, false, charge.policy.capacityUnits, nowMicros, undefined, {
      retryAtMicros: untilMicros,
      nextTokenAtMicros: untilMicros,
      fullAtMicros: untilMicros,
    });
  }

  override get isBlocked(): boolean {
    return true;
  }
}
