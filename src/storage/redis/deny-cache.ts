import { fits } from '../../core/algorithms/token-bucket.js';
import { mapKey } from '../../core/bucket-key.js';
import type { Bucket, Charge } from '../../core/charge.js';
import type { Instants } from '../../core/instants.js';
import type { Policy } from '../../core/policy.js';
import { RecentMap } from '../../core/recent-map.js';
import type { StorageReply } from '../../core/storage.js';
import { type EmptyBucket, emptyBucket } from './empty-bucket.js';
import { integersBeside } from './window-reply.js';

/** Subjects kept, at most twice as many. */
const GENERATION_SIZE = 10_000;
/** Answers kept of one bucket, where one does not tell those for other costs: an abuser may choose the costs. */
const MOST_COSTS = 4;
/** Tokens can be given back by other instances, of which nothing is known here for so long. */
const LONGEST_MS = 1000;
/** How much faster than ours the clock of the server may run: twice what a machine's clock is ever slewed by. */
const FASTEST_CLOCK = 1.001;

/** What the server said of an empty bucket. */
interface Denial {
  readonly policy: Policy;
  /** What was asked of it. */
  readonly cost: number;
  readonly bucket: EmptyBucket;
  /** The server's time of the answer. */
  readonly nowMicros: number;
  /** When the question was sent and when the answer came, in ms of our clock: the server answered in between. */
  readonly sentMs: number;
  readonly receivedMs: number;
}

/**
 * Buckets that are empty, so that whoever keeps asking costs the server one question a second. As long as a bucket
 * certainly holds less than one token nobody can take anything from it, here or elsewhere, so its debt is known, and with
 * it the server's answer. That counts from the sending, when the server may have answered at the earliest; what clients
 * are told counts from the arrival, so that no wait is told too short. After a second it is asked anew.
 *
 * Of several limits all must be empty. From one that holds a token others may take it at any time, whatever it said: a
 * refusal would be certain, but neither what is left of that limit nor, if it is emptied meanwhile, the longest wait.
 */
export class DenyCache {
  private readonly bySubject = new RecentMap<readonly Denial[]>(GENERATION_SIZE);
  /** When tokens were given: answers to what was sent before are not kept, since they may not know of that. */
  private readonly forgotMs = new RecentMap<number>(GENERATION_SIZE);
  private clearedMs = -Infinity;

  constructor(private readonly clockMs: () => number = () => performance.now()) {}

  /** The server's answer, if it can be told without asking: every one of the buckets is empty. */
  replyTo(charges: readonly Charge[]): StorageReply | undefined {
    return this.bySubject.size === 0 ? undefined : this.findReply(charges);
  }

  /**
   * Keeps what the server said of buckets, which of them are empty.
   *
   * @param beside the integers that it replied beside the debts.
   */
  remember(
    charges: readonly Charge[],
    { nowMicros, debtUnits }: StorageReply,
    beside: readonly number[],
    sentMs: number,
  ): void {
    if (sentMs <= this.clearedMs) return;
    const receivedMs = this.clockMs();
    let at = 0;
    charges.forEach((charge, i) => {
      const start = at;
      at += integersBeside([charge]);
      const bucket = emptyBucket(charge, nowMicros, debtUnits[i]!, beside.slice(start, at));
      const key = mapKey(charge.subject);
      if (bucket === undefined || sentMs <= (this.forgotMs.get(key) ?? -Infinity)) return;
      const { policy, cost } = charge;
      this.keep(key, { policy, cost, bucket, nowMicros, sentMs, receivedMs });
    });
  }

  /** To be told of buckets that are given tokens, when that is sent and when it is done. */
  forget(buckets: readonly Bucket[]): void {
    const nowMs = this.clockMs();
    for (const { subject } of buckets) {
      const key = mapKey(subject);
      this.bySubject.delete(key);
      this.forgotMs.set(key, nowMs);
    }
  }

  clear(): void {
    this.clearedMs = this.clockMs();
    this.bySubject.clear();
    this.forgotMs.clear();
  }

  /** In place of what it makes needless. */
  private keep(key: string, denial: Denial): void {
    const { policy, bucket } = denial;
    const others = (this.bySubject.get(key) ?? []).filter((other) => this.isFresh(other));
    const elsewhere = others.filter((other) => other.policy.id !== policy.id);
    const ofOtherCosts = others.filter((other) => other.policy.agreesWith(policy) && !bucket.knows(other.cost));
    this.bySubject.set(key, [...elsewhere, ...ofOtherCosts.slice(1 - MOST_COSTS), denial]);
  }

  private findReply(charges: readonly Charge[]): StorageReply | undefined {
    const denials: Denial[] = [];
    let nowMicros = 0;
    let hasWindows = false;
    for (const charge of charges) {
      const denial = this.find(charge);
      if (denial === undefined) return undefined;
      denials.push(denial);
      nowMicros = Math.max(nowMicros, denial.nowMicros + microsSince(denial.receivedMs, this.clockMs()));
      hasWindows ||= charge.policy.windowMicros > 0;
    }
    const debtUnits = denials.map(({ bucket }) => bucket.debtUnits(nowMicros));
    // Who waits asks with room beyond the capacity, for what the others were refused.
    if (charges.some(({ policy, cost }, i) => fits(policy, cost, debtUnits[i]!))) return;
    const reply = { allowed: false, nowMicros, debtUnits };
    return hasWindows ? { ...reply, instants: instantsOf(charges, denials, nowMicros) } : reply;
  }

  private find({ policy, subject, cost }: Charge): Denial | undefined {
    const denials = this.bySubject.get(mapKey(subject));
    if (denials === undefined) return undefined;
    if (denials.some((denial) => denial.policy.id === policy.id && !denial.policy.agreesWith(policy))) {
      // By other numbers the bucket may hold tokens, and what is taken of those is not known to what was said before.
      this.forget([{ policy, subject }]);
      return undefined;
    }
    return denials.find(
      (denial) => denial.policy.agreesWith(policy) && denial.bucket.knows(cost) && this.isCertain(denial),
    );
  }

  private isCertain(denial: Denial): boolean {
    if (!this.isFresh(denial)) return false;
    const latestMicros = denial.nowMicros + microsSince(denial.sentMs, this.clockMs()) * FASTEST_CLOCK;
    return denial.bucket.isCertainAt(Math.ceil(latestMicros));
  }

  private isFresh({ sentMs }: Denial): boolean {
    return this.clockMs() - sentMs <= LONGEST_MS;
  }
}

function instantsOf(
  charges: readonly Charge[],
  denials: readonly Denial[],
  nowMicros: number,
): readonly (Instants | undefined)[] {
  return denials.map(({ bucket }, i) => bucket.instants(charges[i]!.cost, nowMicros));
}

function microsSince(thenMs: number, nowMs: number): number {
  return Math.floor((nowMs - thenMs) * 1000);
}
