import { worthMicros } from './algorithms/sliding-window.js';
import { costUnits, remainingTokens, waitMicros } from './algorithms/token-bucket.js';
import type { Charge } from './charge.js';
import type { Instants } from './instants.js';
import type { Policy } from './policy.js';
import type { StorageReply } from './storage.js';

/** What one policy said. Every number that clients and headers see is derived here, and only here. */
export class PolicyDecision {
  /**
   * Both constructors of this file are small enough for V8 to inline wherever something is decided.
   *
   * @param allowed whether this policy would admit the charge; where the decision is denied, some of its policies may.
   * @param index of the charge among those that the storage replied to.
   */
  constructor(
    private readonly charge: Charge,
    readonly allowed: boolean,
    private readonly reply: StorageReply,
    private readonly index: number,
  ) {}

  /** The storage's time of the answer: integer µs since 1970. */
  get nowMicros(): number {
    return this.reply.nowMicrosEach?.[this.index] ?? this.reply.nowMicros;
  }

  /** Unix time of the answer in integer µs, where it was found without the storage; else the storage can tell it. */
  get unixMicros(): number | undefined {
    return this.reply.unixMicros;
  }

  get policy(): Policy {
    return this.charge.policy;
  }

  /** Whether the subject is blocked, so that no cost would be admitted before the block ends. */
  get isBlocked(): boolean {
    return false;
  }

  get subject(): string {
    return this.charge.subject;
  }

  get cost(): number {
    return this.charge.cost;
  }

  /** Whole tokens left now. */
  get remaining(): number {
    return remainingTokens(this.policy, this.debtUnits);
  }

  /**
   * Milliseconds, exact to the µs, until this cost would be admitted if nobody else takes tokens. 0 when it was
   * admitted; `Infinity` when it never can be, because it is above the capacity.
   */
  get retryAfterMs(): number {
    if (this.allowed) return 0;
    const { policy, cost } = this.charge;
    if (cost > policy.capacity) return Infinity;
    if (this.instants !== undefined) return this.millisUntil(this.instants.retryAtMicros);
    return this.millisUntilDrained(this.debtUnits + costUnits(policy, cost) - policy.capacityUnits);
  }

  /** Milliseconds, exact to the µs, until the bucket is full. */
  get resetAfterMs(): number {
    if (this.instants !== undefined) return this.millisUntil(this.instants.fullAtMicros);
    return this.millisUntilDrained(this.debtUnits);
  }

  /** Milliseconds, exact to the µs, until the bucket holds one whole token more; 0 when it is full. */
  get nextTokenAfterMs(): number {
    if (this.instants !== undefined) return this.millisUntil(this.instants.nextTokenAtMicros);
    const { policy } = this.charge;
    // The debt at which the bucket holds one whole token more than now.
    const debtThen = (policy.capacity - this.remaining - 1) * policy.tokenUnits;
    return debtThen < 0 ? 0 : this.millisUntilDrained(this.debtUnits - debtThen);
  }

  /**
   * Milliseconds, exact to the µs, in which the tokens that are left would arrive at the rate of the policy: spread over
   * them, they never run out.
   */
  get tokensWorthMs(): number {
    const { policy } = this.charge;
    const leftUnits = Math.max(0, policy.capacityUnits - this.debtUnits);
    if (policy.windowMicros > 0) return worthMicros(policy, leftUnits) / 1000;
    return Math.ceil(leftUnits / policy.refillTokens) / 1000;
  }

  private get debtUnits(): number {
    return this.reply.debtUnits[this.index]!;
  }

  /** Of a sliding window, where the debt alone does not tell them, and of a block. */
  private get instants(): Instants | undefined {
    return this.reply.instants?.[this.index];
  }

  private millisUntil(micros: number): number {
    return Math.max(0, micros - this.nowMicros) / 1000;
  }

  private millisUntilDrained(units: number): number {
    return waitMicros(this.charge.policy, this.nowMicros, units) / 1000;
  }
}

/** What an allowed decision leaves behind, so that its tokens can be given back once. */
export class Receipt {
  constructor(
    readonly charges: readonly Charge[],
    /** The storage's time at which the charges were taken: integer µs since 1970. */
    readonly takenAtMicros: number,
  ) {}
}

/** The answer to a list of charges: allowed or denied as a whole, and what each policy said. */
export class Decision {
  /**
   * @param said what the policies said, in the order in which the charges named them; the lone one needs no list.
   * @param receiptList left out: one answer of a storage took the charges of all these policies.
   * @param withoutStorage whether the storage could not be asked; left out: it was.
   */
  constructor(
    readonly allowed: boolean,
    private readonly said: PolicyDecision | readonly PolicyDecision[],
    private receiptList?: readonly Receipt[],
    private readonly withoutStorage?: boolean,
  ) {}

  /** Whether the storage could not be asked, so that the numbers are those of this process or of nobody. */
  get isWithoutStorage(): boolean {
    return this.withoutStorage === true;
  }

  /** One entry per bucket, in the order in which the charges named them. Never empty. */
  get policies(): readonly PolicyDecision[] {
    return this.said instanceof PolicyDecision ? [this.said] : this.said;
  }

  /** Whether it is denied because a subject is blocked: then only the policies of blocked subjects are told of, and no bucket was asked. */
  get isBlocked(): boolean {
    return !this.allowed && this.policies.some(({ isBlocked }) => isBlocked);
  }

  /** One receipt per question that the storage answered with yes, and per clock; none for a denied decision. */
  get receipts(): readonly Receipt[] {
    // Most are never asked for, so they are not made with every decision.
    return (this.receiptList ??= receiptsFor(this.policies));
  }

  /** The policy that binds: when denied the one with the longest wait, else the one with the least left of its capacity. */
  get mostRestrictive(): PolicyDecision {
    return this.said instanceof PolicyDecision ? this.said : mostRestrictiveOf(this.said);
  }

  /** Whole tokens left of the policy that binds. */
  get remaining(): number {
    return this.mostRestrictive.remaining;
  }

  /** Milliseconds until the request would be admitted, were nobody else to take tokens; 0 when it was, `Infinity` if never. */
  get retryAfterMs(): number {
    return this.mostRestrictive.retryAfterMs;
  }

  /** Milliseconds until the bucket of the policy that binds is full. */
  get resetAfterMs(): number {
    return this.mostRestrictive.resetAfterMs;
  }
}

/** Two answers as one: allowed if both are, with the policies of both in order. */
export function together(earlier: Decision, later: Decision): Decision {
  const allowed = earlier.allowed && later.allowed;
  return new Decision(
    allowed,
    [...earlier.policies, ...later.policies],
    allowed ? [...earlier.receipts, ...later.receipts] : [],
    earlier.isWithoutStorage || later.isWithoutStorage,
  );
}

function receiptsFor(policies: readonly PolicyDecision[]): Receipt[] {
  const [first] = policies;
  if (policies.every(({ nowMicros }) => nowMicros === first!.nowMicros)) return [receiptFor(policies)];
  const times = new Set(policies.map(({ nowMicros }) => nowMicros));
  return [...times].map((time) => receiptFor(policies.filter(({ nowMicros }) => nowMicros === time)));
}

function receiptFor(policies: readonly PolicyDecision[]): Receipt {
  const charges = policies.map(({ policy, subject, cost }) => ({ policy, subject, cost }));
  return new Receipt(charges, policies[0]!.nowMicros);
}

function mostRestrictiveOf([first, ...others]: readonly PolicyDecision[]): PolicyDecision {
  return others.reduce((most, next) => (bindsMore(next, most) ? next : most), first!);
}

/** Ties go to the earlier declared, which is the one already held. */
function bindsMore(next: PolicyDecision, most: PolicyDecision): boolean {
  const wait = next.retryAfterMs - most.retryAfterMs;
  // Infinity − Infinity is NaN: two that never admit are a tie of waits.
  if (wait > 0 || wait < 0) return wait > 0;
  return next.remaining / next.policy.capacity < most.remaining / most.policy.capacity;
}
