import { SystemClock } from '../../core/clock.js';
import {
  MAX_OVERRIDES,
  OVERRIDE_GRACE_MICROS,
  type OverrideChanges,
  type OverrideEntry,
  type OverrideStore,
} from '../../core/overrides/override-store.js';
import type { Send } from './connection.js';
import { notAsked } from './failures.js';
import { OVERRIDES_SUBJECT, overrideKeys } from './key.js';
import type { Lanes } from './lane.js';
import { malformed, toIntegers } from './reply.js';
import { type Message, OVERRIDE_READ, OVERRIDE_WRITE } from './scripts.js';

/** Few enough for Redis to be held for a fraction of a millisecond. */
const ENTRIES_PER_CALL = 200;

export interface OverridesSurroundings {
  readonly prefix: string;
  readonly lanes: Pick<Lanes, 'breakerOf'>;
  /** Sends one question and reads the answer; whatever goes wrong is a StorageFailureError, within the deadline. */
  readonly ask: <T>(read: (raw: unknown) => T, send: Send) => Promise<T>;
}

/** What is decided at run time, in two keys of one hash slot: the entries and their versions. */
export class RedisOverrides implements OverrideStore {
  private readonly clock = new SystemClock();
  /** Of the server's clock to that of this process, counted from the arrival of an answer: nothing ends too early here. */
  private offsetMicros = 0;

  constructor(private readonly surroundings: OverridesSurroundings) {}

  nowMicros(): number {
    return this.clock.nowMicros() + this.offsetMicros;
  }

  async read(after: number): Promise<OverrideChanges> {
    this.refuseWhileOpen();
    const message = this.message(`(${after}`, String(ENTRIES_PER_CALL), String(OVERRIDE_GRACE_MICROS));
    const { ask } = this.surroundings;
    return ask(
      (raw) => this.toChanges(raw),
      (client, sent) => OVERRIDE_READ.put(client, message, sent),
    );
  }

  async write(key: string, value: string, lifetimeMicros: number): Promise<boolean> {
    return (await this.change(key, value, lifetimeMicros)) === 1;
  }

  async remove(key: string): Promise<boolean> {
    return (await this.change(key, '', 0)) === 1;
  }

  private async change(key: string, value: string, lifetimeMicros: number): Promise<number> {
    this.refuseWhileOpen();
    const message = this.message(key, value, String(lifetimeMicros), String(MAX_OVERRIDES));
    const { ask } = this.surroundings;
    return ask(
      (raw) => {
        const number = Number(raw);
        if (number === 1 || number === 0 || number === -1) return number;
        throw malformed(raw, 1);
      },
      (client, sent) => OVERRIDE_WRITE.put(client, message, sent),
    );
  }

  private message(...values: readonly string[]): () => Message {
    const keys = overrideKeys(this.surroundings.prefix);
    const message = { keyCount: keys.length, input: [...keys, ...values] };
    return () => message;
  }

  private refuseWhileOpen(): void {
    const { isOpen, reason } = this.surroundings.lanes.breakerOf({ subject: OVERRIDES_SUBJECT });
    if (isOpen) throw notAsked(reason);
  }

  private toChanges(raw: unknown): OverrideChanges {
    const count = Array.isArray(raw) && raw.length % 3 === 0 ? raw.length : 3;
    if (!Array.isArray(raw) || raw.length !== count) throw malformed(raw, count);
    const [nowMicros, latestVersion, version] = toIntegers(raw.slice(0, 3), 3) as [number, number, number];
    this.offsetMicros = nowMicros - this.clock.nowMicros();
    const entries: OverrideEntry[] = [];
    for (let i = 3; i < count; i += 3) {
      const [key, until, value] = raw.slice(i, i + 3) as unknown[];
      entries.push(toEntry(String(key), String(until), String(value)));
    }
    return { nowMicros, entries, version, latestVersion };
  }
}

/** An instant beyond all instants makes the value one that nobody can read, and the others are read still. */
function toEntry(key: string, until: string, value: string): OverrideEntry {
  const untilMicros = Number(until);
  if (Number.isSafeInteger(untilMicros)) return { key, value, untilMicros };
  return { key, value: `${until}:${value}`, untilMicros: 0 };
}
