import type { Charge } from '../../core/charge.js';
import { Policy } from '../../core/policy.js';
import { MAX_CAPACITY_UNITS, MAX_PERIOD_SECONDS } from '../../core/policy-checks.js';

/**
 * What one of several instances may give out by itself while nobody counts for all: of a policy of capacity C and rate r
 * among N instances a bucket of ⌊C/N⌋ and r/N, but never so small that the charge would not fit. So all of them together
 * admit at most C + r·T in any interval T, and where C/N is less than a cost at most N costs more. Tokens arrive evenly,
 * whatever the policy says: steps are for windows that all instances share.
 */
export class Shares {
  private readonly byPolicy = new WeakMap<Policy, Map<number, Policy>>();
  private readonly made = new WeakSet<Policy>();

  constructor(private readonly instances: number) {}

  /** The charge on this instance's share of the bucket. */
  of({ policy, subject, cost }: Charge): Charge {
    const capacity = Math.min(policy.capacity, Math.max(cost, Math.floor(policy.capacity / this.instances)));
    let shares = this.byPolicy.get(policy);
    if (shares === undefined) this.byPolicy.set(policy, (shares = new Map<number, Policy>()));
    let share = shares.get(capacity);
    if (share === undefined) {
      share = this.make(policy, capacity);
      shares.set(capacity, share);
    }
    return { policy: share, subject, cost };
  }

  /** Whether a charge, for example one of a receipt, was made on a share. */
  has({ policy }: Charge): boolean {
    return this.made.has(policy);
  }

  private make({ name, place, refillTokens, refillMicros }: Policy, capacity: number): Policy {
    const [tokens, seconds] = rate(BigInt(refillTokens) * 1_000_000n, BigInt(refillMicros) * BigInt(this.instances));
    const definition = { name, place, capacity, refillTokens: Number(tokens), refillSeconds: Number(seconds) };
    const share = new Policy(definition, `share of one of ${this.instances} instances`);
    this.made.add(share);
    return share;
  }
}

/** The rate in numbers that a policy may have; one that is too slow or too fine is rounded up. */
function rate(tokens: bigint, seconds: bigint): [tokens: bigint, seconds: bigint] {
  const divisor = greatestCommonDivisor(tokens, seconds);
  const reduced: [bigint, bigint] = [tokens / divisor, seconds / divisor];
  if (reduced[0] <= BigInt(MAX_CAPACITY_UNITS) && reduced[1] <= BigInt(MAX_PERIOD_SECONDS)) return reduced;
  const period = seconds > tokens ? BigInt(MAX_PERIOD_SECONDS) : 1n;
  return [(tokens * period + seconds - 1n) / seconds, period];
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}
