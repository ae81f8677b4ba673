import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { Charge } from '../core/charge.js';
import type { Decision, Receipt } from '../core/decision.js';
import { isStorageFailure } from '../core/errors.js';
import { RateLimiter } from '../core/rate-limiter.js';
import type { MaybePromise } from '../core/storage.js';
import { AddressTrust } from './address-trust.js';
import type { PlannedCharge } from './policy-registry.js';
import { resolveSubject } from './subjects/subject.js';
import { HttpAnswer } from './transports/http-answer.js';
import { httpRequestOf } from './transports/http-request.js';

/** Puts the charges of one phase to the limiter; synchronous as long as subjects and storage are. */
@Injectable()
export class RouteCharger {
  constructor(
    @Inject(RateLimiter) private readonly limiter: RateLimiter,
    @Inject(HttpAnswer) private readonly answer: HttpAnswer,
    @Inject(AddressTrust) private readonly addressTrust: AddressTrust,
  ) {}

  /** All charges of the phase as one question. Throws what the client is to be told. */
  charge(planned: readonly PlannedCharge[], context: ExecutionContext): MaybePromise<Decision> {
    let decision: MaybePromise<Decision>;
    try {
      const charges = this.toCharges(planned, context);
      decision =
        charges instanceof Promise ? charges.then((late) => this.limiter.consume(late)) : this.limiter.consume(charges);
    } catch (error) {
      throw this.answer.failure(error, planned, context);
    }
    return decision instanceof Promise ? this.heard(decision, planned, context) : decision;
  }

  // Apart, because a closure beside the synchronous path would cost every request its context.
  private heard(
    decision: Promise<Decision>,
    planned: readonly PlannedCharge[],
    context: ExecutionContext,
  ): Promise<Decision> {
    return decision.catch((error: unknown) => {
      throw this.answer.failure(error, planned, context);
    });
  }

  /** Gives back what an earlier phase took. A storage that cannot do it now must not turn a refusal into another answer. */
  async giveBack(receipts: readonly Receipt[]): Promise<void> {
    try {
      for (const receipt of receipts) await this.limiter.refund(receipt);
    } catch (error) {
      if (!isStorageFailure(error)) throw error;
    }
  }

  /** Most routes have one limit, which needs no list. */
  private toCharges(
    planned: readonly PlannedCharge[],
    context: ExecutionContext,
  ): MaybePromise<Charge | readonly Charge[]> {
    if (planned.length === 1) return this.toCharge(planned[0]!, context);
    const charges = planned.map((one) => {
      const charge = this.toCharge(one, context);
      // The next subject may throw before anybody waits for this one, and an unheard rejection ends the process.
      if (charge instanceof Promise) charge.catch(() => {});
      return charge;
    });
    return charges.some((charge) => charge instanceof Promise)
      ? Promise.all(charges.map((charge) => Promise.resolve(charge)))
      : (charges as Charge[]);
  }

  private toCharge(planned: PlannedCharge, context: ExecutionContext): MaybePromise<Charge> {
    const { policy, subject, cost, where } = planned;
    const request = httpRequestOf(context);
    if (subject.usesAddress) this.addressTrust.check(request, planned);
    const who = resolveSubject(subject, context, request, where);
    return typeof who === 'string' ? { policy, subject: who, cost } : lateCharge(planned, who);
  }
}

async function lateCharge({ policy, cost }: PlannedCharge, who: Promise<string>): Promise<Charge> {
  return { policy, subject: await who, cost };
}
