import { setImmediate } from 'node:timers';
import { Batch, type BatchSurroundings, type Decision } from './batch.js';
import { MOST_WEIGHT } from './weight.js';

// As it was when this was loaded, and not the global: a test that fakes timers must not stop decisions for good.
const nextTick = process.nextTick.bind(process);

/** Calls under way from which on more decisions wait for one to return, unless they fill a call. */
const MAX_UNDER_WAY = 16;

/**
 * Gathers decisions into calls. Nothing waits while Redis is idle: a decision goes out when the code that asked for it
 * has run to its end, with whatever else was asked meanwhile. While calls are under way, those gather that the event loop
 * brings in one turn; with several under way, those that come before one returns.
 */
export class Batcher {
  private open: Batch;
  private underWay = 0;
  private isScheduled = false;

  /**
   * @param send sends a batch or fails it, and tells it of its outcome.
   * @param onIdle called when nothing has gathered and nothing is under way.
   */
  constructor(
    private readonly surroundings: BatchSurroundings,
    private readonly send: (batch: Batch) => void,
    private readonly onIdle?: () => void,
  ) {
    this.open = this.newBatch();
  }

  add(decision: Decision): void {
    // One that weighs more by itself has a call of its own; what repeats the latest one weighs nothing.
    if (this.open.weight + decision.weight > MOST_WEIGHT && !this.open.endsWith(decision)) this.flush();
    this.open.add(decision);
    this.schedule();
  }

  /** Sends what has gathered: what is asked next must not overtake it. */
  flush(): void {
    if (this.open.size === 0) return;
    const batch = this.open;
    this.open = this.newBatch();
    this.underWay++;
    this.send(batch);
  }

  private schedule(): void {
    if (this.isScheduled || this.open.size === 0 || this.underWay >= MAX_UNDER_WAY) return;
    this.isScheduled = true;
    if (this.underWay === 0) nextTick(this.onSchedule);
    else setImmediate(this.onSchedule);
  }

  private readonly onSchedule = (): void => {
    this.isScheduled = false;
    this.flush();
  };

  private readonly onReturn = (): void => {
    this.underWay--;
    this.schedule();
    if (this.underWay === 0 && this.open.size === 0) this.onIdle?.();
  };

  private newBatch(): Batch {
    return new Batch(this.surroundings, this.onReturn);
  }
}
