import {
  arrivalMicros,
  arrivalRemainder,
  debtUnits,
  remainingTokens,
  tickMicros,
} from '../../core/algorithms/token-bucket.js';
import { mapKey } from '../../core/bucket-key.js';
import type { Bucket, Charge } from '../../core/charge.js';
import type { Policy } from '../../core/policy.js';
import { RecentMap } from '../../core/recent-map.js';
import type { StorageReply } from '../../core/storage.js';

/** Subjects kept, at most twice as many. */
const GENERATION_SIZE = 10_000;
/** Tokens can be given back by other instances, of which nothing is known here for so long. */
const LONGEST_MS = 1000;
/** How much faster than ours the clock of the server may run: twice what a machine's clock is ever slewed by. */
const FASTEST_CLOCK = 1.001;

/** A bucket with less than one token, as the server said it. */
interface Denial {
  readonly policy: Policy;
  readonly arrivalMicros: number;
  readonly remainder: number;
  /** The server's time of the answer. */
  readonly nowMicros: number;
  /** When the question was sent and when the answer came, in ms of our clock: the server answered in between. */
  readonly sentMs: number;
  readonly receivedMs: number;
}

/**
 * Buckets that are empty, so that whoever keeps asking costs the server one question a second. As long as a bucket
 * certainly holds less than one token nobody can take anything from it, here or elsewhere, so its debt is known, and with
 * it the server's answer for every cost. That counts from the sending, when the server may have answered at the earliest;
 * what clients are told counts from the arrival, so that no wait is told too short. After a second it is asked anew.
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

  /** Keeps what the server said of buckets, which of them are empty. */
  remember(charges: readonly Charge[], { nowMicros, debtUnits }: StorageReply, sentMs: number): void {
    if (sentMs <= this.clearedMs) return;
    const receivedMs = this.clockMs();
    charges.forEach(({ policy, subject }, i) => {
      const debt = debtUnits[i]!;
      const key = mapKey(subject);
      // Of a sliding window the debt does not tell when it will be less.
      if (policy.windowMicros > 0 || holdsToken(policy, debt) || sentMs <= (this.forgotMs.get(key) ?? -Infinity))
        return;
      const denial: Denial = {
        policy,
        arrivalMicros: arrivalMicros(policy, tickMicros(policy, nowMicros), debt),
        remainder: arrivalRemainder(policy, debt),
        nowMicros,
        sentMs,
        receivedMs,
      };
      const others = this.bySubject.get(key)?.filter((other) => other.policy.id !== policy.id && this.isFresh(other));
      this.bySubject.set(key, others === undefined ? [denial] : [...others, denial]);
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

  private findReply(charges: readonly Charge[]): StorageReply | undefined {
    const denials: Denial[] = [];
    let nowMicros = 0;
    for (const charge of charges) {
      const denial = this.find(charge);
      if (denial === undefined) return undefined;
      denials.push(denial);
      nowMicros = Math.max(nowMicros, denial.nowMicros + microsSince(denial.receivedMs, this.clockMs()));
    }
    return { allowed: false, nowMicros, debtUnits: denials.map((denial) => debtAt(denial, nowMicros)) };
  }

  private find({ policy, subject }: Charge): Denial | undefined {
    const denial = this.bySubject.get(mapKey(subject))?.find((one) => one.policy.id === policy.id);
    if (denial === undefined || !this.isFresh(denial) || !denial.policy.agreesWith(policy)) return undefined;
    const latestMicros = denial.nowMicros + microsSince(denial.sentMs, this.clockMs()) * FASTEST_CLOCK;
    return holdsToken(policy, debtAt(denial, Math.ceil(latestMicros))) ? undefined : denial;
  }

  private isFresh({ sentMs }: Denial): boolean {
    return this.clockMs() - sentMs <= LONGEST_MS;
  }
}

function microsSince(thenMs: number, nowMs: number): number {
  return Math.floor((nowMs - thenMs) * 1000);
}

function debtAt({ policy, arrivalMicros, remainder }: Denial, nowMicros: number): number {
  return debtUnits(policy, arrivalMicros, remainder, tickMicros(policy, nowMicros));
}

function holdsToken(policy: Policy, debt: number): boolean {
  return remainingTokens(policy, debt) >= 1;
}
