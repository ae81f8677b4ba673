import { countedUnits } from '../../core/algorithms/sliding-window-counter.js';
import {
  arrivalMicros,
  arrivalRemainder,
  debtUnits,
  remainingTokens,
  tickMicros,
} from '../../core/algorithms/token-bucket.js';
import type { Charge } from '../../core/charge.js';
import type { Instants } from '../../core/instants.js';
import type { Policy } from '../../core/policy.js';
import { toInstants } from './window-reply.js';

/** Windows are whole seconds long, and begin at multiples of their length. */
const SECOND_MICROS = 1_000_000;

/** A bucket with less than one token, as the server said it: what is known of it until somebody may take something. */
export interface EmptyBucket {
  /** Whether nobody can have taken anything before this time of the server, here or elsewhere. */
  isCertainAt(nowMicros: number): boolean;
  /** Whether it is known what the server says to somebody who asks for so much. */
  knows(cost: number): boolean;
  debtUnits(nowMicros: number): number;
  /** Of a sliding window, for a cost that it knows. */
  instants(cost: number, nowMicros: number): Instants | undefined;
}

/**
 * @param beside the integers that the script replied beside the debt.
 * @returns undefined for a bucket that holds a token, which anybody may take.
 */
export function emptyBucket(
  charge: Charge,
  nowMicros: number,
  debt: number,
  beside: readonly number[],
): EmptyBucket | undefined {
  const { policy } = charge;
  if (holdsToken(policy, debt)) return undefined;
  if (policy.windowMicros === 0) return new EmptyTokenBucket(policy, nowMicros, debt);
  if (policy.algorithm === 'sliding-window-log') return new EmptyLog(charge, nowMicros, debt, beside);
  return new EmptyCounters(charge, nowMicros, debt, beside);
}

/** Its debt falls as time passes, and every wait follows from it. */
class EmptyTokenBucket implements EmptyBucket {
  private readonly arrivalMicros: number;
  private readonly remainder: number;

  constructor(
    private readonly policy: Policy,
    nowMicros: number,
    debt: number,
  ) {
    this.arrivalMicros = arrivalMicros(policy, tickMicros(policy, nowMicros), debt);
    this.remainder = arrivalRemainder(policy, debt);
  }

  isCertainAt(nowMicros: number): boolean {
    return !holdsToken(this.policy, this.debtUnits(nowMicros));
  }

  knows(): boolean {
    return true;
  }

  debtUnits(nowMicros: number): number {
    return debtUnits(this.policy, this.arrivalMicros, this.remainder, tickMicros(this.policy, nowMicros));
  }

  instants(): undefined {
    return undefined;
  }
}

/**
 * Its charges stand until the first of them leaves the window that makes a token free, and with them every wait. Only
 * the server knows all charges, so of other costs than the one that was asked only those are known whose waits are told.
 * What it owes beyond its capacity may become less meanwhile; no number that anybody is told shows that.
 */
class EmptyLog implements EmptyBucket {
  private readonly told: Instants;

  constructor(
    private readonly charge: Charge,
    nowMicros: number,
    private readonly debt: number,
    beside: readonly number[],
  ) {
    this.told = toInstants([charge], beside, nowMicros)[0]!;
  }

  isCertainAt(nowMicros: number): boolean {
    return nowMicros < this.told.nextTokenAtMicros;
  }

  knows(cost: number): boolean {
    return this.retryAtMicros(cost) !== undefined;
  }

  debtUnits(): number {
    return this.debt;
  }

  instants(cost: number): Instants {
    return { ...this.told, retryAtMicros: this.retryAtMicros(cost)! };
  }

  private retryAtMicros(cost: number): number | undefined {
    const { capacity } = this.charge.policy;
    if (cost === this.charge.cost) return this.told.retryAtMicros;
    if (cost === 1) return this.told.nextTokenAtMicros;
    if (cost === capacity) return this.told.fullAtMicros;
    // The server's word for never.
    return cost > capacity ? 0 : undefined;
  }
}

/**
 * Its two counts stand until its window ends: of the earlier one less counts as time passes, and by how much is known.
 * They may have been counted in windows of another length, before the policy was changed, and stand only until one of
 * those ends. All end with a whole second.
 */
class EmptyCounters implements EmptyBucket {
  private readonly untilMicros: number;

  constructor(
    private readonly charge: Charge,
    private readonly nowMicros: number,
    private readonly debt: number,
    private readonly beside: readonly number[],
  ) {
    const { nextTokenAtMicros } = this.instants(charge.cost, nowMicros);
    this.untilMicros = Math.min(nextTokenAtMicros, nowMicros - (nowMicros % SECOND_MICROS) + SECOND_MICROS);
  }

  isCertainAt(nowMicros: number): boolean {
    return nowMicros < this.untilMicros;
  }

  knows(): boolean {
    return true;
  }

  debtUnits(nowMicros: number): number {
    return this.debt - (this.previousUnits(this.nowMicros) - this.previousUnits(nowMicros));
  }

  instants(cost: number, nowMicros: number): Instants {
    return toInstants([{ ...this.charge, cost }], this.beside, nowMicros)[0]!;
  }

  /** What still counts of the window before. */
  private previousUnits(nowMicros: number): number {
    const [startMicros, previous] = this.beside as [number, number];
    return countedUnits(this.charge.policy, { startMicros, previous, current: 0 }, nowMicros);
  }
}

function holdsToken(policy: Policy, debt: number): boolean {
  return remainingTokens(policy, debt) >= 1;
}
