import type { Charge } from '../charge.js';
import { PolicyDecision } from '../decision.js';
import { emptyReply } from '../storage.js';

/** What a policy says to a subject that is blocked: nothing is left until the block ends, whatever its bucket holds. */
export class BlockedPolicyDecision extends PolicyDecision {
  /** @param untilMicros the storage's time at which the block ends; `Infinity`: never. */
  constructor(charge: Charge, nowMicros: number, untilMicros: number) {
    const instants = { retryAtMicros: untilMicros, nextTokenAtMicros: untilMicros, fullAtMicros: untilMicros };
    super(charge, false, emptyReply(charge.policy, nowMicros, instants), 0);
  }

  override get isBlocked(): boolean {
    return true;
  }
}
