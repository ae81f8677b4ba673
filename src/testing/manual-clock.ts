import type { Clock } from '../core/clock.js';
import { describeValue, misconfigured } from '../core/errors.js';
import type { Timers } from '../core/timers.js';

/** In the year 2255. Beyond it a number does not hold every µs. */
const LAST_MICROS = Number.MAX_SAFE_INTEGER;

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

  private micros: number;

  /**
   * @param micros the first reading, in integer µs since 1970, up to 2^53 − 1 (in the year 2255).
   * @throws RateLimitConfigurationError for anything else.
   */
  constructor(micros = 1_800_000_000_000_000) {
    this.micros = checkedInstant('new ManualClock', micros, `the first reading is ${describeValue(micros)}`);
  }

  nowMicros(): number {
    return this.micros;
  }

  unixMicros(): number {
    return this.micros;
  }

  /**
   * Moves the clock by milliseconds, rounded to the µs; a negative step turns it back.
   *
   * @throws RateLimitConfigurationError for what is no number, moves it by less than a µs, or out of what it can show.
   */
  advanceMs(milliseconds: number): void {
    const micros = typeof milliseconds === 'number' ? Math.round(milliseconds * 1000) : NaN;
    // A test that means to move the clock must not find it where it was.
    const step = micros === 0 && milliseconds !== 0 ? NaN : micros;
    this.moveTo(
      checkedInstant('ManualClock.advanceMs', this.micros + step, `the step is ${describeValue(milliseconds)} ms`),
    );
  }

  /**
   * Moves the clock by integer microseconds. What falls due on the way is done in its order, each at its own instant; what
   * promises make of it follows when the caller awaits something.
   *
   * @throws RateLimitConfigurationError for what is no integer, or moves it out of what it can show.
   */
  advanceMicros(micros: number): void {
    const instant = typeof micros === 'number' ? this.micros + micros : NaN;
    this.moveTo(checkedInstant('ManualClock.advanceMicros', instant, `the step is ${describeValue(micros)} µs`));
  }

  private moveTo(until: number): void {
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

function checkedInstant(where: string, micros: number, problem: string): number {
  if (Number.isInteger(micros) && micros >= 0 && micros <= LAST_MICROS) return micros;
  return misconfigured(
    where,
    `${problem}; expected a number that leaves the clock at a whole µs from 1970 to 2255`,
    'pass whole microseconds, or milliseconds from 0.001 on, for example those that a decision tells, if they are finite',
  );
}

/** Until all has happened that promises made ready to happen. */
function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
