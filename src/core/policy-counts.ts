import type { Charge } from './charge.js';
import type { Decision } from './decision.js';
import { isStorageFailure, WaitTooLongError } from './errors.js';
import type { Policy } from './policy.js';

/** What became of the questions about one policy since its limiter was made. Every number only goes up. */
export interface PolicyCounts {
  /** The name of the policy; `(others)` for those that came after the thousandth of those that code made. */
  readonly policy: string;
  /** The place of the policy; `''` for shared policies and the default of the module. */
  readonly place: string;
  /** Questions that charged the policy. A refund later on does not lower it. */
  readonly allowed: number;
  /** Questions that the policy refused. What only other policies of the same question refused is counted there alone. */
  readonly denied: number;
  /** How many of both were decided without the storage. */
  readonly withoutStorage: number;
  /** Questions that nobody decided, because the storage failed. */
  readonly failed: number;
}

type Counted = { -readonly [Key in keyof PolicyCounts]: PolicyCounts[Key] };

/** Code may make policies for every subject, which must neither fill the memory nor a system of metrics. */
const MOST_UNDECLARED = 1000;

/** Counts what a limiter decides. A question about one policy costs two comparisons and an increment. */
export class PolicyCounters {
  private readonly byId = new Map<string, Counted>();
  /** Several policies may be of one id: a function of requests makes one for each set of numbers. */
  private readonly byPolicy = new WeakMap<Policy, Counted>();
  private readonly others: Counted = zero('(others)', '');
  private undeclared = 0;
  private latest: Policy | undefined;
  private ofLatest = this.others;

  /** Gives a policy numbers of its own, from zero, however many there are. */
  declare(policy: Policy): void {
    this.byPolicy.set(policy, this.byId.get(policy.id) ?? this.addNew(policy));
    this.latest = undefined;
  }

  /** What there is to tell now; the others only where there are any. */
  get all(): readonly PolicyCounts[] {
    const { others } = this;
    const isUsed = others.allowed + others.denied + others.failed > 0;
    return [...this.byId.values(), ...(isUsed ? [others] : [])].map((counted) => ({ ...counted }));
  }

  /** @param asked the charges as they were asked for: those of an outage are of other policies. */
  count(asked: readonly Charge[], decision: Decision): void {
    if (asked.length === 1) add(this.of(asked[0]!.policy), decision);
    else this.countEach(asked, decision);
  }

  /** One who waited for tokens and did not get them: because the line is too long, or the storage failed. */
  countUnserved({ policy }: Charge, error: unknown): void {
    if (error instanceof WaitTooLongError) this.of(policy).denied++;
    else if (isStorageFailure(error)) this.of(policy).failed++;
  }

  /** Errors that say nothing of the storage are mistakes of the program, which no number of this kind would help with. */
  countFailure(asked: readonly Charge[], error: unknown): void {
    if (isStorageFailure(error)) for (const { policy } of asked) this.of(policy).failed++;
  }

  private countEach(asked: readonly Charge[], decision: Decision): void {
    const { allowed, policies } = decision;
    for (let i = 0; i < asked.length; i++) {
      if (allowed || !policies[i]!.allowed) add(this.of(asked[i]!.policy), decision);
    }
  }

  // Most requests ask for the policy that the one before asked for; comparing it spares a look-up.
  private of(policy: Policy): Counted {
    return policy === this.latest ? this.ofLatest : this.find(policy);
  }

  private find(policy: Policy): Counted {
    let counted = this.byPolicy.get(policy);
    if (counted === undefined) {
      counted = this.byId.get(policy.id) ?? this.newcomer(policy);
      this.byPolicy.set(policy, counted);
    }
    this.latest = policy;
    this.ofLatest = counted;
    return counted;
  }

  private newcomer(policy: Policy): Counted {
    if (this.undeclared >= MOST_UNDECLARED) return this.others;
    this.undeclared++;
    return this.addNew(policy);
  }

  private addNew({ id, name, place }: Policy): Counted {
    const counted = zero(name, place);
    this.byId.set(id, counted);
    return counted;
  }
}

function add(counted: Counted, { allowed, isWithoutStorage }: Decision): void {
  if (allowed) counted.allowed++;
  else counted.denied++;
  if (isWithoutStorage) counted.withoutStorage++;
}

function zero(policy: string, place: string): Counted {
  return { policy, place, allowed: 0, denied: 0, withoutStorage: 0, failed: 0 };
}
