import type { Clock } from '../../src/core/clock.js';
import type { Timers } from '../../src/core/timers.js';

interface Appointment {
  readonly atMicros: number;
  readonly action: () => void;
  readonly keepsAlive: boolean;
}

/** A clock and its timers of whole milliseconds, as the machine's, of which time passes from one appointment to the next. */
export class VirtualTime implements Clock, Timers {
  private appointments: Appointment[] = [];

  /** @param earlyMicros how much too early a timer rings, as the machine's may. */
  constructor(
    private micros: number,
    private readonly earlyMicros: () => number = () => 0,
  ) {}

  nowMicros(): number {
    return this.micros;
  }

  unixMicros(): number {
    return this.micros;
  }

  after(delayMs: number, action: () => void, keepsAlive: boolean): () => void {
    const dueMicros = this.micros + Math.ceil(delayMs) * 1000 - this.earlyMicros();
    const appointment = { atMicros: Math.max(this.micros, dueMicros), action, keepsAlive };
    this.appointments.push(appointment);
    return () => {
      this.appointments = this.appointments.filter((other) => other !== appointment);
    };
  }

  /** Whether anything keeps the process alive. */
  get isAlive(): boolean {
    return this.appointments.some(({ keepsAlive }) => keepsAlive);
  }

  get isIdle(): boolean {
    return this.appointments.length === 0;
  }

  /** Lets time pass, and everything happen that is due meanwhile, in its order. */
  async pass(micros: number): Promise<void> {
    await quiet();
    const until = this.micros + micros;
    for (;;) {
      const next = this.next();
      if (next === undefined || next.atMicros > until) break;
      this.appointments = this.appointments.filter((other) => other !== next);
      this.micros = Math.max(this.micros, next.atMicros);
      next.action();
      await quiet();
    }
    this.micros = until;
  }

  /** Lets time pass while the process stands still: what is due meanwhile happens at the end of it. */
  async stall(micros: number): Promise<void> {
    await quiet();
    this.micros += micros;
    await this.pass(0);
  }

  /** Lets time pass until nothing is left to happen. */
  async passAll(): Promise<void> {
    await quiet();
    for (let next = this.next(); next !== undefined; next = this.next()) {
      await this.pass(Math.max(0, next.atMicros - this.micros));
    }
  }

  private next(): Appointment | undefined {
    return this.appointments.reduce<Appointment | undefined>(
      (first, one) => (first === undefined || one.atMicros < first.atMicros ? one : first),
      undefined,
    );
  }
}

/** Until no promise that is settled has anybody left to tell. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve();
}
