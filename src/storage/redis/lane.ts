import type { Bucket } from '../../core/charge.js';
import type { Availability } from './availability.js';
import type { Batch, Decision } from './batch.js';
import { Batcher } from './batcher.js';
import { Breaker } from './breaker.js';
import type { DenyCache } from './deny-cache.js';

/** The way of decisions to Redis: where they gather, and what keeps them from being sent. */
export interface Lanes {
  add(decision: Decision): void;
  /** Sends what has gathered: what is asked next must not overtake it. */
  flush(): void;
  /** Of the server that keeps the bucket. */
  breakerOf(bucket: Pick<Bucket, 'subject'>): Breaker;
  /** The connection stands, but the server cannot do what decisions need. */
  unable(reason: string): void;
  /** There is another connection: what went wrong went wrong on the one before. */
  reset(): void;
  /** There is none, and will be none until {@link reset}. */
  stop(): void;
}

export interface LaneSurroundings {
  readonly keyOf: (bucket: Bucket) => string;
  readonly denials: DenyCache | undefined;
  readonly availability: Availability;
  readonly deadlineMs: number;
  /** Sends a batch or fails it, and tells it of its outcome. */
  readonly send: (batch: Batch) => void;
  /** Asks, within the deadline, something that takes nothing: of the server that keeps the subject, if one is named. */
  readonly probe: (subject?: string) => Promise<unknown>;
}

/** The way to a single server, or to the master that Sentinel names. */
export class Lane implements Lanes {
  private readonly availability: Availability;
  private readonly breaker: Breaker;
  private readonly batcher: Batcher;

  constructor({ keyOf, denials, availability, deadlineMs, send, probe }: LaneSurroundings) {
    this.availability = availability;
    this.breaker = new Breaker({
      probe: () => probe(),
      onChange: (isOpen, reason) => (isOpen ? availability.lost('answers', reason) : availability.regained('answers')),
    });
    this.batcher = new Batcher({ keyOf, denials, breakerOf: () => this.breaker, deadlineMs }, send);
  }

  add(decision: Decision): void {
    this.batcher.add(decision);
  }

  flush(): void {
    this.batcher.flush();
  }

  breakerOf(): Breaker {
    return this.breaker;
  }

  unable(reason: string): void {
    this.breaker.open(reason);
  }

  reset(): void {
    this.breaker.reset();
    this.availability.regained('answers');
  }

  stop(): void {
    this.breaker.stop();
  }
}
