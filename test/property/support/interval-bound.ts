import type { OracleBucket } from './oracle.js';

/**
 * Checks cost against time over every interval at once. With A(i) the cost up to and with event i, the cost within
 * [tᵢ, tⱼ] is A(j) − A(i−1); it keeps C + r·(tⱼ − tᵢ) for all i ≤ j iff (A(j) − r·tⱼ) − min over i of (A(i−1) − r·tᵢ) ≤ C.
 * In whole drops instead of r·t it is the bound for steps: at most ⌊T/I⌋ + 1 drops fall within any T.
 */
export class IntervalBound {
  private total = 0n;
  private lowest: bigint | undefined;
  /** The worst interval so far: cost − (C + what dropped in), in parts of a token; above 0 the bound is broken. */
  worstExcess: bigint;

  constructor(private readonly bucket: OracleBucket) {
    this.worstExcess = -bucket.capacity * bucket.parts;
  }

  /** The excess that this event would bring about. */
  excessWith(nowMicros: number, cost: number): bigint {
    const dropped = (BigInt(nowMicros) / this.bucket.microsPerDrop) * this.bucket.partsPerDrop;
    const before = this.total - dropped;
    const lowest = this.lowest === undefined || before < this.lowest ? before : this.lowest;
    return before + BigInt(cost) * this.bucket.parts - lowest - this.bucket.capacity * this.bucket.parts;
  }

  add(nowMicros: number, cost: number): void {
    const excess = this.excessWith(nowMicros, cost);
    if (excess > this.worstExcess) this.worstExcess = excess;
    const before = this.total - (BigInt(nowMicros) / this.bucket.microsPerDrop) * this.bucket.partsPerDrop;
    if (this.lowest === undefined || before < this.lowest) this.lowest = before;
    this.total += BigInt(cost) * this.bucket.parts;
  }
}
