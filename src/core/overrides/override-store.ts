/** The most entries that a storage keeps, so that each process can have all of them in its memory. */
export const MAX_OVERRIDES = 10_000;

/**
 * How long an entry that is removed or over is told of still. Longer than any process goes without reading all of them anew,
 * so that each has either been told or has read none.
 */
export const OVERRIDE_GRACE_MICROS = 120_000_000;

/** Something that was decided at run time, as a storage keeps it. */
export interface OverrideEntry {
  /** At most 1024 visible ASCII characters. */
  readonly key: string;
  /** Text that the storage does not read; empty: the entry has been removed. */
  readonly value: string;
  /** The storage's time at which it ends: integer µs since 1970; 0: never. */
  readonly untilMicros: number;
}

/** The next entries that were changed after a version, oldest first. */
export interface OverrideChanges {
  /** The storage's time of the answer: integer µs since 1970. */
  readonly nowMicros: number;
  readonly entries: readonly OverrideEntry[];
  /** That of the last of them; of none, the latest. */
  readonly version: number;
  /** That of the last change of all; 0 before the first. Integer that grows with every change, but after a loss of data. */
  readonly latestVersion: number;
}

/**
 * Keeps what is decided at run time, for all processes that share the storage. An entry that is over is told of for two
 * minutes and forgotten then. What goes wrong is a StorageFailureError.
 */
export interface OverrideStore {
  /** @param after a version that was answered before; 0: all entries. */
  read(after: number): Promise<OverrideChanges>;

  /**
   * Keeps an entry in the place of an earlier one of its key. Answers false when there are {@link MAX_OVERRIDES}.
   * @param lifetimeMicros integer µs from now after which it is over; 0: never
   */
  write(key: string, value: string, lifetimeMicros: number): Promise<boolean>;

  /** Answers false when there is none of this key, or it is over. */
  remove(key: string): Promise<boolean>;

  /** The storage's time, as far as it is known here without asking: later than it is by nothing, earlier by an answer's way. */
  nowMicros(): number;
}
