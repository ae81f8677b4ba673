import type { Clock } from '../core/clock.js';

/** A clock that moves only when told to, for tests that never wait. */
export class ManualClock implements Clock {
  /** @param micros the first reading, in integer µs since 1970. */
  constructor(private micros = 1_800_000_000_000_000) {}

  nowMicros(): number {
    return this.micros;
  }

  unixMicros(): number {
    return this.micros;
  }

  /** Moves the clock by milliseconds, exact to the µs; a negative step turns it back. */
  advanceMs(milliseconds: number): void {
    this.advanceMicros(Math.round(milliseconds * 1000));
  }

  /** Moves the clock by integer microseconds. */
  advanceMicros(micros: number): void {
    this.micros += micros;
  }
}
