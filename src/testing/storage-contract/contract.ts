import { ok } from 'node:assert/strict';
import type { PolicyDefinition } from '../../core/bucket-shape.js';
import type { Receipt } from '../../core/decision.js';
import { misconfigured } from '../../core/errors.js';
import { Policy } from '../../core/policy.js';
import type { ChargeRequest } from '../../core/charge-requests.js';
import { RateLimiter } from '../../core/rate-limiter.js';
import type { MaybePromise, RateLimitStorage } from '../../core/storage.js';

/** A storage to be checked, and the hand on its clock. */
export interface StorageHarness {
  /** Without buckets, not opened, and with a clock that stands still at the start of a minute of Unix time. */
  readonly storage: RateLimitStorage;
  /** Moves the storage's clock by milliseconds, exact to the µs. */
  advanceMs(milliseconds: number): MaybePromise<void>;
  /**
   * All that is kept, as a text that is empty where nothing is kept. Left out: it is not checked that a denial changes
   * nothing byte for byte, only that it changes no answer.
   */
  state?(): MaybePromise<string>;
  /** Removes what the storage kept. Called after each check, when the storage is closed. */
  dispose?(): MaybePromise<void>;
}

/** What is checked, by its name. */
export type Checks = Readonly<Record<string, (contract: Contract) => Promise<void>>>;

/** The words in which the contract is told, about one new storage. */
export class Contract {
  readonly storage: RateLimitStorage;
  readonly limiter: RateLimiter;

  private constructor(private readonly harness: StorageHarness) {
    this.storage = harness.storage;
    this.limiter = new RateLimiter(harness.storage);
  }

  static async check(harness: StorageHarness, check: Checks[string]): Promise<void> {
    const contract = new Contract(harness);
    try {
      await contract.storage.open();
      try {
        await contract.checkClock();
        await check(contract);
      } finally {
        await contract.storage.close();
      }
    } finally {
      await harness.dispose?.();
    }
  }

  advanceMs(milliseconds: number): MaybePromise<void> {
    return this.harness.advanceMs(milliseconds);
  }

  /** All that is kept, or always the same where the storage cannot show it. */
  async state(): Promise<string> {
    return (await this.harness.state?.()) ?? '';
  }

  /** Asks, and tells what came back in the numbers that clients see: allowed, remaining, retryAfterMs, resetAfterMs. */
  async consume(policy: Policy, cost = 1, subject = 'user:1'): Promise<[boolean, number, number, number]> {
    const decision = await this.limiter.consume({ policy, subject, cost });
    return [decision.allowed, decision.remaining, decision.retryAfterMs, decision.resetAfterMs];
  }

  /** Takes what the buckets hold, and keeps what is needed to give it back. */
  async take(charges: ChargeRequest | readonly ChargeRequest[]): Promise<Receipt> {
    const { receipts } = await this.limiter.consume(charges);
    const [receipt] = receipts;
    ok(receipt, 'a charge was denied whose tokens are there');
    return receipt;
  }

  /** Every number would be wrong with it, and none of them would say why. */
  private async checkClock(): Promise<void> {
    const now = async () => (await this.storage.peek([{ policy: perMinute(1), subject: 'user:1', cost: 1 }])).nowMicros;
    const [first, second] = [await now(), await now()];
    if (first === second && first % 60_000_000 === 0) return;
    misconfigured(
      'storageContract',
      first === second
        ? `the clock of the storage stands at ${first} µs, which is not the start of a minute`
        : `the clock of the storage runs by itself: ${first} µs, then ${second} µs`,
      'give the storage a clock that moves only when told to, such as new ManualClock()',
    );
  }
}

export function perMinute(capacity: number, more: { name?: string; refillEverySeconds?: number } = {}): Policy {
  const definition: PolicyDefinition = { name: 'minute', capacity, perSeconds: 60, ...more };
  return new Policy(definition);
}
