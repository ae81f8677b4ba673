import type { Clock } from '../core/clock.js';
import type { Timers } from '../core/timers.js';

interface Appointment {
  readonly atMicros: number;
  readonly action: () => void;
  /** Whether anybody waits for it. */
  readonly keepsAlive: boolean;
}

/** Of when this was loaded: where a test has faked timers since, turns of the loop must go on. */
const { setImmediate } = globalThis;

/**
 * A clock that moves only when told to, for tests that never wait. By that of `withManualClock` go also those who wait for
 * tokens: when it comes to the instant at which they arrive.
 */
export class ManualClock implements Clock, Timers {
  private readonly appointments = new Set<Appointment>();
  /** Those who go on with the next appointment that is made. */
  private readonly watchers: (() => void)[] = [];

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

  /**
   * Moves the clock by integer microseconds. What falls due on the way is done in its order, each at its own instant; what
   * promises make of it follows when the caller awaits something.
   */
  advanceMicros(micros: number): void {
    const until = this.micros + micros;
    for (let next = this.next(); next !== undefined && next.atMicros <= until; next = this.next()) {
      this.appointments.delete(next);
      this.micros = Math.max(this.micros, next.atMicros);
      next.action();
    }
    this.micros = until;
  }

  /**
   * Moves the clock until a promise is settled: from one instant at which somebody goes who waits to the next, letting what
   * comes of each happen before it moves on. Where nobody waits it stands still.
   *
   * @returns what the promise gives
   * @throws what the promise is rejected with
   */
  async advanceUntil<T>(outcome: PromiseLike<T>): Promise<T> {
    const promise = Promise.resolve(outcome);
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    const settled = promise.then(settle, settle);
    for (;;) {
      await turnOfTheLoop();
      if (isSettled) return promise;
      const next = this.next(({ keepsAlive }) => keepsAlive);
      if (next === undefined) await Promise.race([settled, this.nextIsMade()]);
      else this.advanceMicros(next.atMicros - this.micros);
    }
  }

  /** As in {@link Timers}; called by whatever waits by this clock. */
  after(delayMs: number, action: () => void, keepsAlive: boolean): () => void {
    const appointment = { atMicros: this.micros + Math.round(delayMs * 1000), action, keepsAlive };
    this.appointments.add(appointment);
    for (const goOn of this.watchers.splice(0)) goOn();
    return () => void this.appointments.delete(appointment);
  }

  private nextIsMade(): Promise<void> {
    return new Promise((resolve) => void this.watchers.push(resolve));
  }

  /** The first; of those at one instant, that which was made first. */
  private next(concerns: (appointment: Appointment) => boolean = () => true): Appointment | undefined {
    let first: Appointment | undefined;
    for (const appointment of this.appointments) {
      if (concerns(appointment) && appointment.atMicros < (first?.atMicros ?? Infinity)) first = appointment;
    }
    return first;
  }
}

/** Until all has happened that promises made ready to happen. */
function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
