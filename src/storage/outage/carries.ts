import { encodePart } from '../../core/bucket-key.js';
import type { Bucket } from '../../core/charge.js';
import { ownCopy } from '../../core/own-copy.js';

/** Buckets of which it is remembered one by one when their debt was carried back. */
const MOST_REMEMBERED = 10_000;

/** That the debt of a bucket was told to the storage, which has it unless that certainly failed. */
class Carry {
  isUnderWay = true;
  hasFailed = false;
  /** Wait for its outcome: what they give back is owed if it fails. */
  readonly refunds: (() => void)[] = [];

  constructor(
    readonly atMicros: number,
    /** The one before of the same bucket, which counts again if this one fails. */
    public before: Carry | undefined,
  ) {}
}

export type { Carry };

/** Which charges are no longer owed, because their debt was carried back: bucket by bucket those made before that. */
export class Carries {
  private readonly latest = new Map<string, Carry>();
  /** What was charged before that is taken for carried back, whatever its bucket. */
  private allUntilMicros = -Infinity;

  /** @param atMicros now, by the clock of this process. */
  begin(bucket: Bucket, atMicros: number): Carry {
    if (this.latest.size >= MOST_REMEMBERED) {
      this.latest.clear();
      this.allUntilMicros = atMicros;
    }
    const carry = new Carry(atMicros, this.find(bucket));
    this.latest.set(ownCopy(keyOf(bucket)), carry);
    return carry;
  }

  /** The storage has what was carried, or nobody knows: then it is not owed any more, because nobody is charged twice. */
  succeeded(carry: Carry): void {
    carry.isUnderWay = false;
    carry.before = undefined;
    carry.refunds.length = 0;
  }

  /** The storage certainly has not; what was carried must be owed again before this is called. */
  failed(carry: Carry): void {
    carry.isUnderWay = false;
    carry.hasFailed = true;
    for (const refund of carry.refunds.splice(0)) refund();
  }

  /** Gives a charge back if it is still owed, or as soon as it is known to be. */
  refund(bucket: Bucket, thenMicros: number, refund: () => void): void {
    if (thenMicros < this.allUntilMicros) return;
    const carry = this.find(bucket);
    if (carry === undefined || thenMicros >= carry.atMicros) refund();
    else if (carry.isUnderWay) carry.refunds.push(() => this.refund(bucket, thenMicros, refund));
  }

  /** The latest of the bucket that has not failed. */
  private find(bucket: Bucket): Carry | undefined {
    const key = keyOf(bucket);
    const found = this.latest.get(key);
    let carry = found;
    while (carry?.hasFailed === true) carry = carry.before;
    if (carry === found) return found;
    if (carry === undefined) this.latest.delete(key);
    else this.latest.set(key, carry);
    return carry;
  }
}

/** An encoded subject holds no brace. */
function keyOf({ policy, subject }: Bucket): string {
  return `${encodePart(subject)}{${policy.stateId}`;
}
