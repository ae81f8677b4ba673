/** A small seeded generator (xorshift32 after a scramble of the seed): the same numbers on every machine. */
export class Random {
  private state: number;

  constructor(readonly seed: number) {
    this.state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 1;
  }

  /** Integer from 0 to `below − 1`; `below` up to 2^53. */
  below(below: number): number {
    return Math.floor(((this.next32() * 2 ** 21 + (this.next32() >>> 11)) / 2 ** 53) * below);
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.next32() < probability * 2 ** 32;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  private next32(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }
}

/** PROPERTY_SEED=<number> repeats a run with another seed. */
const OVERRIDE = process.env['PROPERTY_SEED'];

/** Runs a property with its seed; a failure names the seed and the history, which is all that repeating it needs. */
export function histories(seed: number, count: number, run: (random: Random, history: number) => void): void {
  const base = OVERRIDE === undefined ? seed : Number(OVERRIDE);
  for (let history = 0; history < count; history++) {
    try {
      run(new Random(base + history), history);
    } catch (error) {
      throw new Error(`seed ${base}, history ${history}: ${(error as Error).message}`, { cause: error });
    }
  }
}
