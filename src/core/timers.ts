import { SystemClock } from './clock.js';
import { outsideRequests } from './outside-requests.js';

/** The time of this process, and what is to happen at some of it. */
export interface Timers {
  /** Integer microseconds that never go backwards. */
  nowMicros(): number;
  /**
   * Calls `action` once, in about so many milliseconds, of which a part may be given; the function that it answers prevents
   * that.
   * @param keepsAlive whether the process is to live until then.
   */
  after(delayMs: number, action: () => void, keepsAlive: boolean): () => void;
}

/** Node takes longer ones for a millisecond. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/**
 * The machine's, which counts whole milliseconds. A delay of more than 24 days ends early, as any may by up to one. It is
 * also the token by which an application is given its timers, so that its tests can give it others.
 */
export class SystemTimers extends SystemClock implements Timers {
  after(delayMs: number, action: () => void, keepsAlive: boolean): () => void {
    // Of the moment, not of when this was loaded: tests that fake timers want these to be faked.
    const timer = outsideRequests(() => setTimeout(action, Math.min(Math.ceil(delayMs), LONGEST_DELAY_MS)));
    if (!keepsAlive) timer.unref();
    return () => clearTimeout(timer);
  }
}

/** One timer that is set again and again. It may ring too early: whom it wakes looks at the clock. */
export class Alarm {
  private prevent: (() => void) | undefined;
  private atMicros = 0;
  private keepsAlive = false;

  constructor(
    private readonly timers: Timers,
    private readonly ring: () => void,
  ) {}

  /** To ring at this instant, and no more when it was to ring before. */
  set(atMicros: number, keepsAlive: boolean): void {
    if (this.prevent !== undefined && this.atMicros === atMicros && this.keepsAlive === keepsAlive) return;
    this.clear();
    this.atMicros = atMicros;
    this.keepsAlive = keepsAlive;
    const delayMs = Math.max(0, atMicros - this.timers.nowMicros()) / 1000;
    this.prevent = this.timers.after(delayMs, this.onTime, keepsAlive);
  }

  clear(): void {
    this.prevent?.();
    this.prevent = undefined;
  }

  private readonly onTime = (): void => {
    this.prevent = undefined;
    this.ring();
  };
}
