import type { Bucket, Charge } from '../../core/charge.js';
import { Policy, withoutNumbers } from '../../core/policy.js';
import { MAX_CAPACITY_UNITS, MAX_PERIOD_SECONDS, mostDebt } from '../../core/policy-checks.js';
import { reservingAs } from '../../core/reservation.js';

/** Shares that are kept of one policy: one per cost that is more than the share, and one for all others. */
const MOST_SHARES = 1000;

/**
 * What one of several instances may give out by itself while nobody counts for all: of a policy of capacity C and rate r
 * among N instances a bucket of ⌊C/N⌋ and r/N, but never so small that the charge would not fit. So all of them together
 * admit at most C + r·T in any interval T, and where C/N is less than a cost at most N costs more. Tokens arrive evenly,
 * whatever the policy says: steps and sliding windows are for what all instances share.
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
      // Costs that code computes may be as many as there are numbers; made anew, a share reads its bucket as before.
      if (shares.size >= MOST_SHARES) shares.clear();
      share = reservingAs(policy, this.make(policy, capacity));
      this.made.add(share);
      shares.set(capacity, share);
    }
    return { policy: share, subject, cost };
  }

  /** The bucket that charges are counted in; a sliding window's is another one here, because its share keeps no window. */
  bucketOf({ policy, subject }: Bucket): Bucket {
    return this.of({ policy, subject, cost: 1 });
  }

  /** Whether a charge, for example one of a receipt, was made on a share. */
  has({ policy }: Bucket): boolean {
    return this.made.has(policy);
  }

  private make(policy: Policy, capacity: number): Policy {
    const { maxDebt, refillTokens, refillMicros } = policy;
    const [tokens, seconds] = rate(
      BigInt(refillTokens) * MICROS,
      BigInt(refillMicros) * BigInt(this.instances),
      BigInt(capacity),
    );
    const definition = {
      ...withoutNumbers(policy),
      capacity,
      refillTokens: Number(tokens),
      refillSeconds: Number(seconds),
    };
    const where = `share of one of ${this.instances} instances`;
    const share = new Policy(definition, where);
    const shareOfDebt = Math.min(Math.floor(maxDebt / this.instances), mostDebt(share));
    return shareOfDebt === 0 ? share : new Policy({ ...definition, maxDebt: shareOfDebt }, where);
  }
}

const MICROS = 1_000_000n;
const MOST_UNITS = BigInt(MAX_CAPACITY_UNITS);
const LONGEST_PERIOD = BigInt(MAX_PERIOD_SECONDS);

/**
 * The rate in numbers that a policy of this capacity may have; one that is too slow or too fine for that is rounded up,
 * by less than a token in 366 days or the capacity in seven years.
 */
function rate(tokens: bigint, seconds: bigint, capacity: bigint): [tokens: bigint, seconds: bigint] {
  const divisor = greatestCommonDivisor(tokens, seconds);
  const reduced: [bigint, bigint] = [tokens / divisor, seconds / divisor];
  if (fits(...reduced, capacity)) return reduced;
  // A token may have so many units, of which there are as many as microseconds in the period, or a fraction of them.
  const mostUnits = MOST_UNITS / capacity;
  if (mostUnits >= MICROS) {
    const period = least(mostUnits / MICROS, LONGEST_PERIOD, (MOST_UNITS * seconds) / tokens);
    return [quotientUp(tokens * period, seconds), period];
  }
  const step = quotientUp(MICROS, mostUnits);
  let divisorOfSecond = 1n;
  while (divisorOfSecond < step) divisorOfSecond *= 10n;
  return [quotientUp(tokens, seconds * divisorOfSecond) * divisorOfSecond, 1n];
}

function fits(tokens: bigint, seconds: bigint, capacity: bigint): boolean {
  const unitsPerToken = (seconds * MICROS) / greatestCommonDivisor(tokens, seconds * MICROS);
  return tokens <= MOST_UNITS && seconds <= LONGEST_PERIOD && capacity * unitsPerToken <= MOST_UNITS;
}

function quotientUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

function least(...numbers: readonly bigint[]): bigint {
  return numbers.reduce((a, b) => (a < b ? a : b));
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}
