import type { Clock } from '../../core/clock.js';
import {
  MAX_OVERRIDES,
  OVERRIDE_GRACE_MICROS,
  type OverrideChanges,
  type OverrideEntry,
  type OverrideStore,
} from '../../core/overrides/override-store.js';

interface Kept extends OverrideEntry {
  readonly version: number;
}

/** What is decided at run time, in the memory of one process: for the applications in it that share the storage. */
export class MemoryOverrides implements OverrideStore {
  /** In the order of their versions. */
  private readonly entries = new Map<string, Kept>();
  private latestVersion = 0;

  constructor(private readonly clock: Clock) {}

  nowMicros(): number {
    return this.clock.nowMicros();
  }

  async read(after: number): Promise<OverrideChanges> {
    if (after === 0) this.sweep();
    const { latestVersion } = this;
    const isNews = after < latestVersion;
    const entries = isNews ? [...this.entries.values()].filter(({ version }) => version > after) : [];
    return { nowMicros: this.nowMicros(), entries, version: latestVersion, latestVersion };
  }

  async write(key: string, value: string, lifetimeMicros: number): Promise<boolean> {
    if (!this.entries.has(key) && this.entries.size >= MAX_OVERRIDES) this.sweep();
    if (!this.entries.has(key) && this.entries.size >= MAX_OVERRIDES) return false;
    this.put(key, value, lifetimeMicros === 0 ? 0 : this.nowMicros() + lifetimeMicros);
    return true;
  }

  async remove(key: string): Promise<boolean> {
    const kept = this.entries.get(key);
    const nowMicros = this.nowMicros();
    if (kept === undefined || (kept.untilMicros !== 0 && kept.untilMicros <= nowMicros)) return false;
    this.put(key, '', nowMicros);
    return true;
  }

  private put(key: string, value: string, untilMicros: number): void {
    this.entries.delete(key);
    this.entries.set(key, { key, value, untilMicros, version: ++this.latestVersion });
  }

  private sweep(): void {
    const longAgo = this.nowMicros() - OVERRIDE_GRACE_MICROS;
    for (const [key, { untilMicros }] of this.entries) {
      if (untilMicros !== 0 && untilMicros <= longAgo) this.entries.delete(key);
    }
  }
}
