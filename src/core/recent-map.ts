import { ownCopy } from './own-copy.js';

/**
 * A map that keeps what was used lately and drops the rest, in bounded memory and without bookkeeping per use. When the
 * young generation is full it becomes the old one, whose entries go next; what is asked for moves up before that.
 */
export class RecentMap<V> {
  private young = new Map<string, V>();
  private old = new Map<string, V>();

  /** @param generationSize never more than twice as many entries are kept. */
  constructor(private readonly generationSize: number) {}

  get size(): number {
    return this.young.size + this.old.size;
  }

  get(key: string): V | undefined {
    return this.young.get(key) ?? this.getOlder(key);
  }

  set(key: string, value: V): void {
    if (this.young.size >= this.generationSize && !this.young.has(key)) {
      this.old = this.young;
      this.young = new Map();
    }
    // Most keys are cut from a request, which they would keep alive.
    this.young.set(ownCopy(key), value);
    this.old.delete(key);
  }

  delete(key: string): void {
    this.young.delete(key);
    this.old.delete(key);
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
  }

  private getOlder(key: string): V | undefined {
    const value = this.old.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }
}
