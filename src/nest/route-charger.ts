import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { Charge } from '../core/charge.js';
import { type Decision, type Receipt, together } from '../core/decision.js';
import { isStorageFailure, LimiterClosedError } from '../core/errors.js';
import type { Policy } from '../core/policy.js';
import { RateLimiter } from '../core/rate-limiter.js';
import type { MaybePromise } from '../core/storage.js';
import { AddressTrust } from './address-trust.js';
import { mapHeard, whenAllKnown } from './maybe-promise.js';
import { RouteObserver } from './observing/route-observer.js';
import { chargesOf, type OpenCharges, type PlannedLimit } from './planned-limit.js';
import { RouteQueue } from './route-queue.js';
import { resolveSubject } from './subjects/subject.js';
import { HttpAnswer } from './transports/http-answer.js';
import { httpRequestOf } from './transports/http-request.js';

/** Puts the charges of one phase to the limiter; synchronous as long as subjects and storage are. */
@Injectable()
export class RouteCharger {
  constructor(
    @Inject(RateLimiter) private readonly limiter: RateLimiter,
    @Inject(RouteQueue) private readonly queue: RouteQueue,
    @Inject(HttpAnswer) private readonly answer: HttpAnswer,
    @Inject(AddressTrust) private readonly addressTrust: AddressTrust,
    @Inject(RouteObserver) private readonly observer: RouteObserver,
  ) {}

  /**
   * All charges of the phase as one question; undefined where the request is asked for nothing.
   * @param open collects what is to be settled later
   * Throws what the client is to be told.
   */
  charge(
    planned: readonly PlannedLimit[],
    context: ExecutionContext,
    open?: OpenCharges[],
  ): MaybePromise<Decision | undefined> {
    if (planned.some(waits)) return this.chargeThenWait(planned, planned.filter(waits), context, open);
    let charges: MaybePromise<Charge | readonly Charge[]> | undefined;
    let decision: MaybePromise<Decision | undefined>;
    try {
      charges = this.toCharges(planned, context, open);
      decision = charges instanceof Promise ? charges.then((late) => this.consume(late)) : this.consume(charges);
    } catch (error) {
      throw this.failure(error, charges, planned, context);
    }
    return decision instanceof Promise ? this.heard(decision, charges, planned, context) : decision;
  }

  /**
   * What is refused must not have waited, and who waits has paid for the rest: that is given back if the line is too long.
   */
  private async chargeThenWait(
    planned: readonly PlannedLimit[],
    queued: readonly PlannedLimit[],
    context: ExecutionContext,
    open: OpenCharges[] | undefined,
  ): Promise<Decision | undefined> {
    const atOnce = planned.filter((limit) => !queued.includes(limit));
    let decision = atOnce.length === 0 ? undefined : await this.charge(atOnce, context, open);
    try {
      for (const limit of queued) {
        if (decision?.allowed === false) break;
        this.checkAddress(limit, context);
        const waited = await this.queue.wait(limit, context);
        const earlier = decision;
        if (waited !== undefined) decision = earlier === undefined ? waited : together(earlier, waited);
        if (waited?.allowed === false) await this.giveBack(earlier?.receipts ?? []);
      }
    } catch (error) {
      // Who leaves the line, or makes a function fail, has paid for the rest: else he would be limited by nothing.
      if (isStorageFailure(error) || error instanceof LimiterClosedError) await this.giveBack(decision?.receipts ?? []);
      throw this.failure(error, undefined, queued, context);
    }
    return decision;
  }

  // Apart, because a closure beside the synchronous path would cost every request its context.
  private heard(
    decision: Promise<Decision | undefined>,
    charges: MaybePromise<Charge | readonly Charge[]>,
    planned: readonly PlannedLimit[],
    context: ExecutionContext,
  ): Promise<Decision | undefined> {
    return decision.catch((error: unknown) => {
      throw this.failure(error, charges, planned, context);
    });
  }

  /** The exception to throw for a denial, of which everybody who wants to know is told. */
  refusal(decision: Decision, context: ExecutionContext): Error {
    const refusal = this.answer.refuse(decision, context);
    this.observer.denied(decision, context);
    return refusal;
  }

  private failure(
    error: unknown,
    charges: MaybePromise<Charge | readonly Charge[]> | undefined,
    planned: readonly PlannedLimit[],
    context: ExecutionContext,
  ): unknown {
    const told = this.answer.failure(error, planned, context);
    this.observer.failed(error, charges, context);
    return told;
  }

  private consume(charges: Charge | readonly Charge[]): MaybePromise<Decision | undefined> {
    return Array.isArray(charges) && charges.length === 0 ? undefined : this.limiter.consume(charges);
  }

  /** Gives back what an earlier phase took. A storage that cannot do it now must not turn a refusal into another answer. */
  async giveBack(receipts: readonly Receipt[]): Promise<void> {
    try {
      for (const receipt of receipts) await this.limiter.refund(receipt);
    } catch (error) {
      if (!isStorageFailure(error)) throw error;
    }
  }

  /** Most routes have one limit that every request is asked for alike, which needs no list. */
  private toCharges(
    planned: readonly PlannedLimit[],
    context: ExecutionContext,
    open: OpenCharges[] | undefined,
  ): MaybePromise<Charge | readonly Charge[]> {
    const only = planned.length === 1 ? planned[0]! : undefined;
    if (only?.sole !== undefined) return this.soleCharge(only, only.sole, context);
    const charges = mapHeard(planned, (limit) => {
      this.checkAddress(limit, context);
      return chargesOf(limit, context);
    });
    return whenAllKnown(charges, (lists) => {
      planned.forEach((limit, i) => {
        if (limit.settles !== undefined && lists[i]!.length > 0) open?.push({ limit, charges: lists[i]! });
      });
      return lists.flat();
    });
  }

  private soleCharge(limit: PlannedLimit, policy: Policy, context: ExecutionContext): MaybePromise<Charge> {
    this.checkAddress(limit, context);
    const { subject, where } = limit;
    const cost = limit.cost as number;
    const who = resolveSubject(subject, context, httpRequestOf(context), where);
    return typeof who === 'string' ? { policy, subject: who, cost } : lateCharge(policy, who, cost);
  }

  private checkAddress(limit: PlannedLimit, context: ExecutionContext): void {
    if (limit.byAddress !== undefined) this.addressTrust.check(httpRequestOf(context), limit);
  }
}

function waits({ maxWaitMs }: PlannedLimit): boolean {
  return maxWaitMs !== undefined;
}

async function lateCharge(policy: Policy, who: Promise<string>, cost: number): Promise<Charge> {
  return { policy, subject: await who, cost };
}
