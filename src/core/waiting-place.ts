import { onAbort } from './abort.js';
import { Decision, PolicyDecision } from './decision.js';
import { debtLeft, plainOf, type Reservation } from './reservation.js';
import type { Waiter } from './waiting-groups.js';
import type { WaitingLine } from './waiting-line.js';

/** Somebody's place in a line, until the tokens are there, the wait is refused or its signal ends it. */
export class WaitingPlace implements Waiter {
  /** Where it is, once something has been reserved. */
  line: WaitingLine | undefined;
  isLeft = false;
  private readonly unwatch: (() => void) | undefined;

  constructor(
    readonly cost: number,
    signal: AbortSignal | undefined,
    private readonly resolve: (decision: Decision) => void,
    private readonly reject: (reason: unknown) => void,
  ) {
    if (signal === undefined) return;
    this.unwatch = onAbort(signal, () => {
      this.fail(signal.reason);
      this.line?.leave(this);
    });
  }

  go(reservation: Reservation, nowMicros: number): void {
    this.leave();
    this.resolve(decisionOf(reservation, nowMicros - reservation.toldMicros));
  }

  fail(error: unknown): void {
    if (this.isLeft) return;
    this.leave();
    this.reject(error);
  }

  private leave(): void {
    this.isLeft = true;
    this.unwatch?.();
  }
}

/** As it stands when the tokens have come. Without receipts: others have been promised times that count on what was waited for. */
function decisionOf({ charge, reply }: Reservation, elapsedMicros: number): Decision {
  const { subject, cost } = charge;
  const plain = { policy: plainOf(charge.policy), subject, cost };
  const nowMicros = reply.nowMicros + elapsedMicros;
  const unixMicros = reply.unixMicros === undefined ? undefined : reply.unixMicros + elapsedMicros;
  const debtUnits = [debtLeft(plain.policy, reply, nowMicros)];
  const said = new PolicyDecision(plain, true, { allowed: true, nowMicros, debtUnits, unixMicros }, 0);
  return new Decision(true, said, [], reply.madeInstead !== undefined);
}
