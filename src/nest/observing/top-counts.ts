import { ownCopy } from '../../core/own-copy.js';

/**
 * Who occurs most often, in bounded memory (Misra and Gries, 1982): when there are too many to count, all counts are
 * lowered by one. Of n occurrences whoever makes more than n ÷ (most + 1) is among those who are left.
 */
export class TopCounts {
  private readonly counts = new Map<string, number>();
  private loweredBy = 0;

  /** @param most never more of them are kept. */
  constructor(private readonly most: number) {}

  get size(): number {
    return this.counts.size;
  }

  add(key: string): void {
    const count = this.counts.get(key);
    if (count !== undefined) this.counts.set(key, count + 1);
    else if (this.counts.size < this.most) this.counts.set(ownCopy(key), 1);
    else this.lower();
  }

  /** Whether the counts may be too low. */
  get areLowered(): boolean {
    return this.loweredBy > 0;
  }

  /** The most frequent of those that are left, at most so many, with how often they occurred at least. */
  top(many: number): readonly (readonly [key: string, count: number])[] {
    return [...this.counts].toSorted(([, one], [, other]) => other - one).slice(0, many);
  }

  clear(): void {
    this.counts.clear();
    this.loweredBy = 0;
  }

  private lower(): void {
    this.loweredBy++;
    for (const [key, count] of this.counts) {
      if (count === 1) this.counts.delete(key);
      else this.counts.set(key, count - 1);
    }
  }
}
