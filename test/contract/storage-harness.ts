import type { PolicyDefinition } from '../../src/core/bucket-shape.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import type { RateLimitStorage } from '../../src/core/storage.js';

/** One storage under test and the hand on its clock. */
export interface StorageHarness {
  readonly storage: RateLimitStorage;
  /** Moves the storage's time; exact to the µs. */
  advanceMs(milliseconds: number): void;
  /** All that is kept, byte for byte, where the storage can show it. */
  state?(): Promise<string>;
  /** Ends it, and removes what it kept. */
  dispose(): Promise<void>;
}

/** The words in which the contract is told, about one new storage after the other. */
export class Contract {
  storage!: RateLimitStorage;
  limiter!: RateLimiter;
  private harness!: StorageHarness;

  async begin(harness: StorageHarness): Promise<void> {
    this.harness = harness;
    this.storage = harness.storage;
    this.limiter = new RateLimiter(harness.storage);
    await harness.storage.open();
  }

  async end(): Promise<void> {
    await this.storage.close();
    await this.harness.dispose();
  }

  advanceMs(milliseconds: number): void {
    this.harness.advanceMs(milliseconds);
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
}

export function perMinute(capacity: number, more: { name?: string; refillEverySeconds?: number } = {}): Policy {
  const definition: PolicyDefinition = { name: 'minute', capacity, perSeconds: 60, ...more };
  return new Policy(definition);
}
