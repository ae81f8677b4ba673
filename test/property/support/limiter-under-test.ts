import type { PolicyDefinition } from '../../../src/core/bucket-shape.js';
import type { Decision, PolicyDecision } from '../../../src/core/decision.js';
import { Policy } from '../../../src/core/policy.js';
import { RateLimiter } from '../../../src/core/rate-limiter.js';
import { MemoryStorage, type MemoryStorageOptions } from '../../../src/index.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { type Expected, OracleBucket } from './oracle.js';
import type { Random } from './random.js';

/** A limiter on memory storage with a clock of its own; memory answers synchronously, so nothing here awaits. */
export class LimiterUnderTest {
  readonly clock: ManualClock;
  readonly storage: MemoryStorage;
  private readonly limiter: RateLimiter;

  constructor(startMicros: number, options: MemoryStorageOptions = {}) {
    this.clock = new ManualClock(startMicros);
    this.storage = new MemoryStorage({ ...options, clock: this.clock });
    this.limiter = new RateLimiter(this.storage);
  }

  get now(): number {
    return this.clock.nowMicros();
  }

  consume(...charges: Parameters<RateLimiter['consume']>): Decision {
    return this.limiter.consume(...charges) as Decision;
  }

  peek(...charges: Parameters<RateLimiter['peek']>): Decision {
    return this.limiter.peek(...charges) as Decision;
  }

  refund(...receipt: Parameters<RateLimiter['refund']>): boolean {
    return this.limiter.refund(...receipt) as boolean;
  }

  settle(...receipt: Parameters<RateLimiter['settle']>): boolean {
    return this.limiter.settle(...receipt) as boolean;
  }

  grant(...granted: Parameters<RateLimiter['grant']>): void {
    void this.limiter.grant(...granted);
  }

  reset(...buckets: Parameters<RateLimiter['reset']>): void {
    void this.limiter.reset(...buckets);
  }
}

/** A policy and its oracle, made from one definition. */
export function policyAndOracle(definition: PolicyDefinition, nowMicros: number): [Policy, OracleBucket] {
  return [new Policy(definition, 'property test'), new OracleBucket(definition, nowMicros)];
}

/** The µs in which an empty bucket fills, roughly: the scale on which interesting things happen. */
export function fillMicros(policy: Policy): number {
  return Math.ceil(policy.capacityUnits / policy.refillTokens) + policy.intervalMicros;
}

/** A little over 366 days: longer leaps would leave the years up to 2255, in which µs are exact. */
const LONGEST_WAIT_MICROS = 4e13;

/** Waits that find faults: none, one µs, a token's worth, up to full, far beyond, and next to a time that was told. */
export function awkwardWait(random: Random, policy: Policy, toldMicros: number): number {
  const token = Math.ceil(policy.refillMicros / policy.refillTokens);
  const fill = Math.min(fillMicros(policy), LONGEST_WAIT_MICROS);
  switch (random.below(8)) {
    case 0:
      return 1;
    case 1:
      return random.below(token + 1);
    case 2:
      return random.below(fill + 1);
    case 3:
      return random.chance(0.1) ? fill * 2 : token;
    case 4:
      return toldMicros < LONGEST_WAIT_MICROS ? Math.max(0, toldMicros + random.between(-1, 1)) : 1;
    default:
      return 0;
  }
}

/** Costs that find faults: one, all, one too many, anything between, and the largest number there is. */
export function awkwardCost(random: Random, capacity: number): number {
  switch (random.below(8)) {
    case 0:
      return capacity;
    case 1:
      return random.chance(0.2) ? Number.MAX_SAFE_INTEGER : capacity + 1;
    case 2:
    case 3:
      return random.between(1, capacity);
    case 4:
      return Math.max(1, Math.floor(capacity / 2));
    default:
      return random.between(1, Math.min(capacity, 3));
  }
}

const millis = (micros: bigint | undefined): number => (micros === undefined ? Infinity : Number(micros) / 1000);

/** What differs, or nothing. Milliseconds are compared as the exact µs that they stand for. */
export function difference(said: PolicyDecision, expected: Expected): string | undefined {
  const same =
    said.allowed === expected.allowed &&
    said.remaining === Number(expected.remaining) &&
    said.retryAfterMs === millis(expected.retryAfter) &&
    said.resetAfterMs === millis(expected.resetAfter) &&
    said.nextTokenAfterMs === millis(expected.nextTokenAfter);
  if (same) return undefined;
  const { allowed, remaining, retryAfterMs, resetAfterMs, nextTokenAfterMs } = said;
  const is = { allowed, remaining, retryAfterMs, resetAfterMs, nextTokenAfterMs };
  const should = {
    allowed: expected.allowed,
    remaining: Number(expected.remaining),
    retryAfterMs: millis(expected.retryAfter),
    resetAfterMs: millis(expected.resetAfter),
    nextTokenAfterMs: millis(expected.nextTokenAfter),
  };
  return `${said.policy.name}: said ${JSON.stringify(is)}, should say ${JSON.stringify(should)}`;
}
