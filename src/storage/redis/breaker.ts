import { outsideRequests } from '../../core/outside-requests.js';

/** Who waited in vain, without anybody being answered in between, that opens it: however many of them shared a call. */
const FAILURES_IN_A_ROW = 5;
/** Or this part of so many calls within so long: a server that answers every other call is as good as none. */
const FAILED_PART = 0.5;
const FEWEST_CALLS = 20;
const WINDOW_MS = 1000;
/** The first probe comes within the shortest, and each failed one doubles the time to the next, up to the longest. */
const SHORTEST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;
const GOOD_PROBES = 2;

/** What a breaker needs of its surroundings. */
export interface BreakerSurroundings {
  /** Asks the server something that takes nothing, within the deadline. */
  readonly probe: () => Promise<unknown>;
  /** Called once per transition. */
  readonly onChange: (isOpen: boolean, reason: string) => void;
  /** From 0 to 1, so that instances do not probe in step. Default: Math.random. */
  readonly random?: () => number;
  /** The longest time to the next probe in milliseconds. Default: 5000. */
  readonly longestPauseMs?: number;
}

/**
 * A circuit breaker: open, nothing is asked of a server that has stopped answering, so nobody waits for it. No request
 * of a client is spent on finding out whether it is back; that is what probes of our own are for, one at a time.
 */
export class Breaker {
  isOpen = false;
  /** What made it open. */
  reason = '';
  private isStopped = false;
  private inARow = 0;
  private calls = 0;
  private failedCalls = 0;
  private windowEndMs = 0;
  private goodProbes = 0;
  private pauseMs = SHORTEST_PAUSE_MS;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly surroundings: BreakerSurroundings) {}

  /** Whether it has lately kept somebody waiting in vain, though not often enough to be left alone. */
  get isInDoubt(): boolean {
    return this.inARow > 0 || (this.failedCalls > 0 && performance.now() < this.windowEndMs);
  }

  /** An answer came in time, whatever it said. */
  succeeded(): void {
    this.inARow = 0;
    this.count(false);
  }

  /** None came in time, or an error came instead, to so many who waited for it. */
  failed(reason: string, waiting = 1): void {
    this.inARow += waiting;
    this.count(true);
    const half = this.calls >= FEWEST_CALLS && this.failedCalls >= FAILED_PART * this.calls;
    if (this.inARow >= FAILURES_IN_A_ROW || half) this.open(reason);
  }

  /** Stops asking, until probes are answered. */
  open(reason: string): void {
    if (this.isOpen || this.isStopped) return;
    this.isOpen = true;
    this.reason = reason;
    this.probeLater();
    this.surroundings.onChange(true, reason);
  }

  /** Stops probing, and ignores what is still to come of earlier calls; until {@link reset}. */
  stop(): void {
    this.reset();
    this.isStopped = true;
  }

  /** Stops probing; as good as new afterwards. */
  reset(): void {
    clearTimeout(this.timer);
    this.isStopped = false;
    this.isOpen = false;
    this.inARow = 0;
    this.calls = 0;
    this.failedCalls = 0;
    this.goodProbes = 0;
    this.pauseMs = SHORTEST_PAUSE_MS;
  }

  private count(failed: boolean): void {
    const nowMs = performance.now();
    if (nowMs >= this.windowEndMs) {
      this.windowEndMs = nowMs + WINDOW_MS;
      this.calls = 0;
      this.failedCalls = 0;
    }
    this.calls++;
    if (failed) this.failedCalls++;
  }

  private probeLater(): void {
    const { random = Math.random } = this.surroundings;
    const delayMs = this.pauseMs * random();
    outsideRequests(() => {
      this.timer = setTimeout(() => void this.probe(), delayMs).unref();
    });
  }

  private async probe(): Promise<void> {
    const { timer } = this;
    const isGood = await this.surroundings.probe().then(
      () => true,
      () => false,
    );
    // Reset meanwhile, and perhaps open again for a reason of its own.
    if (!this.isOpen || timer !== this.timer) return;
    if (!isGood) {
      this.goodProbes = 0;
      this.pauseMs = Math.min(2 * this.pauseMs, this.surroundings.longestPauseMs ?? LONGEST_PAUSE_MS);
    } else if (++this.goodProbes >= GOOD_PROBES) {
      this.reset();
      this.surroundings.onChange(false, '');
      return;
    } else {
      this.pauseMs = SHORTEST_PAUSE_MS;
    }
    this.probeLater();
  }
}
