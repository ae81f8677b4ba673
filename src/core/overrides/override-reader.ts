import { messageOf } from '../errors.js';
import type { Timers } from '../timers.js';
import { OverrideIndex } from './override-index.js';
import { OVERRIDE_GRACE_MICROS } from './override-store.js';
import type { Overrides } from './overrides.js';

/** How often everything is read anew: whatever was lost on the way, by a failover or by hand, is right again then. */
const READ_ALL_EVERY_MICROS = OVERRIDE_GRACE_MICROS / 2;

export interface ReaderSurroundings {
  readonly timers: Timers;
  readonly refreshMs: number;
  /** Told of what cannot be read, once each. */
  readonly warn: (message: string) => void;
}

/**
 * Keeps the overrides of this process as the storage has them: asks every so often for what has changed since. While the
 * storage cannot be asked, what was read last stays in force.
 */
export class OverrideReader {
  private version = 0;
  private readAllAtMicros = -Infinity;
  private latest: Promise<unknown> = Promise.resolve();
  private isOpen = false;
  private isFailing = false;
  private stopTimer: (() => void) | undefined;
  private warned = new Set<string>();

  constructor(
    private readonly overrides: Overrides,
    private readonly surroundings: ReaderSurroundings,
  ) {}

  /** Reads for the first time, and from then on again and again. A storage that is away does not keep it from opening. */
  async open(): Promise<void> {
    if (this.isOpen) return;
    this.isOpen = true;
    await this.poll();
  }

  close(): void {
    this.isOpen = false;
    this.stopTimer?.();
  }

  /** Reads what has changed. @throws StorageFailureError */
  refresh(): Promise<void> {
    // One after the other, so that what is asked for now is read after whatever has been written by now.
    const reading = this.latest.then(() => this.read());
    this.latest = reading.catch(() => {});
    return reading;
  }

  private readonly poll = async (): Promise<void> => {
    try {
      await this.refresh();
      this.isFailing = false;
    } catch (error) {
      if (!this.isFailing) this.surroundings.warn(failureMessage(error));
      this.isFailing = true;
    }
    const { timers, refreshMs } = this.surroundings;
    if (this.isOpen) this.stopTimer = timers.after(refreshMs, () => void this.poll(), false);
  };

  private async read(): Promise<void> {
    const isLongAgo = this.surroundings.timers.nowMicros() - this.readAllAtMicros >= READ_ALL_EVERY_MICROS;
    if (this.version === 0 || isLongAgo || !(await this.readChanges())) await this.readAll();
  }

  /** False: the storage has lost what was read before. */
  private async readChanges(): Promise<boolean> {
    const { version, latestVersion } = await this.readAfter(this.version, this.overrides.index);
    if (latestVersion < this.version) return false;
    this.version = version;
    return true;
  }

  private async readAll(): Promise<void> {
    const nowMicros = this.surroundings.timers.nowMicros();
    const index = new OverrideIndex(this.warn);
    this.version = 0;
    const { version } = await this.readAfter(0, index);
    this.overrides.index = index;
    this.version = version;
    this.readAllAtMicros = nowMicros;
  }

  private async readAfter(after: number, index: OverrideIndex) {
    const { store } = this.overrides;
    for (let before = after; ;) {
      const { entries, version, latestVersion } = await store.read(before);
      for (const entry of entries) index.put(entry);
      if (version >= latestVersion || version <= before) return { version, latestVersion };
      before = version;
    }
  }

  private readonly warn = (message: string): void => {
    if (this.warned.has(message)) return;
    if (this.warned.size >= 100) this.warned = new Set();
    this.warned.add(message);
    this.surroundings.warn(message);
  };
}

function failureMessage(error: unknown): string {
  return `What was changed at run time cannot be read; until it can, what was read before stays in force. ${messageOf(error)}`;
}
