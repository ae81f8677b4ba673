import type { Bucket, Charge } from './charge.js';
import type { Decision } from './decision.js';
import { LimiterClosedError } from './errors.js';
import type { Policy } from './policy.js';
import { longestWaitMicros, ReservingPolicies } from './reservation.js';
import { lineKey, Reserver, type SentReservation } from './reserver.js';
import type { RateLimitStorage } from './storage.js';
import type { Timers } from './timers.js';
import { WaitingLine } from './waiting-line.js';
import { WaitingPlace } from './waiting-place.js';
import { hearOfResets, type Renewal, resetsSent } from './waiting-rooms.js';

/** Everybody in this process who waits for tokens of one policy: a line for each bucket. */
export class WaitingRoom {
  private readonly lines = new Map<string, WaitingLine>();
  private readonly reserving = new ReservingPolicies();
  private readonly reserver: Reserver;
  private isClosed = false;

  constructor(
    storage: RateLimitStorage,
    private readonly policy: Policy,
    private readonly timers: Timers,
  ) {
    this.reserver = new Reserver(storage, policy, timers);
    hearOfResets(storage, this);
  }

  /** Goes on when the tokens have arrived, which are reserved at once, by one question. */
  wait(charge: Charge, maxWaitMicros: number, signal: AbortSignal | undefined): Promise<Decision> {
    const { subject, cost } = charge;
    return new Promise((resolve, reject) => {
      if (this.isClosed) throw closed();
      const place = new WaitingPlace(cost, signal, resolve, reject);
      const key = lineKey(subject, false);
      const spare = this.lines.get(key)?.spare(cost);
      if (spare === undefined) void this.reserve(place, charge, maxWaitMicros);
      else this.takeSpare(place, spare, this.lineAt(key), maxWaitMicros);
    });
  }

  /**
   * To be told when a bucket was made full, which has forgotten what was reserved before. Answers what is to be asked for
   * again, so that those who wait go when the tokens allow; they come before everybody who asks later.
   */
  renewals({ policy, subject }: Bucket, reset: number): readonly Renewal[] {
    if (policy.stateId !== this.policy.stateId) return [];
    this.reserver.forgetPaces(subject);
    const line = this.lines.get(lineKey(subject, false));
    const forgotten = line?.forget(reset, resetsSent()) ?? [];
    return forgotten.map((one) => ({ dueMicros: one.dueMicros, ask: () => void this.reserveAgain(line!, one) }));
  }

  /** Sends all away, and gives back what was reserved for them. */
  close(): void {
    this.isClosed = true;
    for (const line of this.lines.values()) line.end(closed());
  }

  private takeSpare(place: WaitingPlace, spare: SentReservation, line: WaitingLine, maxWaitMicros: number): void {
    const tooLongMicros = spare.dueMicros - this.timers.nowMicros() - maxWaitMicros;
    if (tooLongMicros > 0) return place.fail(this.reserver.tooLong(tooLongMicros));
    place.line = line;
    line.join(place);
  }

  private async reserve(place: WaitingPlace, asked: Charge, maxWaitMicros: number): Promise<void> {
    const line = this.lineAt(lineKey(asked.subject, false));
    line.ask();
    try {
      const reservation = await this.reserver.reserve(asked, this.reserving.of(asked.policy, maxWaitMicros));
      // What was counted without the storage no reset of it has forgotten.
      const isForgotten = line.hasForgotten(reservation) && reservation.reply.madeInstead === undefined;
      if (isForgotten) this.joinForgotten(place, line, reservation);
      else this.tell(place, reservation);
    } catch (error) {
      place.fail(error);
    }
    line.answered();
  }

  private joinForgotten(place: WaitingPlace, line: WaitingLine, forgotten: SentReservation): void {
    if (place.isLeft) return;
    place.line = line;
    line.joinForgotten(place, forgotten, resetsSent());
    void this.reserveAgain(line, forgotten);
  }

  /** For somebody whose reservation the bucket has forgotten. He has been told that he may wait, so no wait is too long. */
  private async reserveAgain(line: WaitingLine, forgotten: SentReservation): Promise<void> {
    const { asked } = forgotten;
    const sent = { resetsSent: resetsSent() };
    line.ask();
    let reservation: SentReservation | undefined;
    try {
      reservation = await this.reserver.reserve(
        asked,
        this.reserving.of(asked.policy, longestWaitMicros(asked.policy)),
      );
    } catch {
      // He keeps his time.
    }
    if (reservation?.reply.madeInstead !== undefined) {
      // What this process counts while the storage is away is another line's.
      void this.reserver.cancel(reservation);
      reservation = undefined;
    }
    // If the bucket was made full again, that has forgotten this one too, and he has been asked for again.
    if (!line.hasForgotten(sent)) line.renewed(forgotten, reservation);
    line.answered();
  }

  private tell(place: WaitingPlace, reservation: SentReservation): void {
    const { reply, toldMicros, charge } = reservation;
    // Nobody counts: there is no limit just now.
    if (reply.debtUnits[0] === 0) return place.isLeft ? undefined : place.go(reservation, toldMicros);
    const line = this.lineAt(lineKey(charge.subject, reply.madeInstead !== undefined));
    if (place.isLeft) return line.take(reservation);
    place.line = line;
    line.join(place, reservation);
  }

  private lineAt(key: string): WaitingLine {
    let line = this.lines.get(key);
    if (line === undefined) {
      line = new WaitingLine({
        pace: this.reserver.paceAt(key),
        timers: this.timers,
        cancel: (reservation) => this.reserver.cancel(reservation),
        onEmpty: () => void this.lines.delete(key),
      });
      this.lines.set(key, line);
    }
    return line;
  }
}

function closed(): LimiterClosedError {
  return new LimiterClosedError('The application is closing, and nobody can wait for tokens any longer.');
}
