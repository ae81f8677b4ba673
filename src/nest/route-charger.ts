import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { Charge } from '../core/charge.js';
import type { Decision, Receipt } from '../core/decision.js';
import { StorageFailureError } from '../core/errors.js';
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

  /** All charges of the phase as one question; `conclude` gets the decision. Throws what the client is to be told. */
  charge<T>(
    planned: readonly PlannedCharge[],
    context: ExecutionContext,
    conclude: (decision: Decision) => MaybePromise<T>,
  ): MaybePromise<T> {
    let decision: MaybePromise<Decision>;
    try {
      const charges = this.toCharges(planned, context);
      decision =
        charges instanceof Promise ? charges.then((late) => this.limiter.consume(late)) : this.limiter.consume(charges);
    } catch (error) {
      throw this.answer.failure(error, planned, context);
    }
    if (!(decision instanceof Promise)) return conclude(decision);
    return decision.then(conclude, (error: unknown) => {
      throw this.answer.failure(error, planned, context);
    });
  }

  /** Gives back what an earlier phase took. A storage that cannot do it now must not turn a refusal into another answer. */
  async giveBack(receipts: readonly Receipt[]): Promise<void> {
    try {
      for (const receipt of receipts) await this.limiter.refund(receipt);
    } catch (error) {
      if (!(error instanceof StorageFailureError)) throw error;
    }
  }

  private toCharges(planned: readonly PlannedCharge[], context: ExecutionContext): MaybePromise<readonly Charge[]> {
    const request = httpRequestOf(context);
    const charges: MaybePromise<Charge>[] = [];
    let late = false;
    for (const one of planned) {
      const { policy, subject, cost, where } = one;
      if (subject.usesAddress) this.addressTrust.check(request, one);
      const who = resolveSubject(subject, context, request, where);
      if (typeof who === 'string') {
        charges.push({ policy, subject: who, cost });
      } else {
        late = true;
        const charge = who.then((found) => ({ policy, subject: found, cost }));
        // The next subject may throw before anybody waits for this one, and an unheard rejection ends the process.
        charge.catch(() => {});
        charges.push(charge);
      }
    }
    return late ? Promise.all(charges.map((charge) => Promise.resolve(charge))) : (charges as Charge[]);
  }
}
