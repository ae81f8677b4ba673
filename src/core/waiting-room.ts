import { costUnits, waitMicros } from './algorithms/token-bucket.js';
import { mapKey } from './bucket-key.js';
import type { Charge } from './charge.js';
import type { Decision } from './decision.js';
import { LimiterClosedError, StorageFailureError, WaitTooLongError } from './errors.js';
import { Pace } from './pace.js';
import type { Policy } from './policy.js';
import { RecentMap } from './recent-map.js';
import { plainOf, type Reservation, ReservingPolicies } from './reservation.js';
import type { MaybePromise, RateLimitStorage, StorageReply } from './storage.js';
import type { Timers } from './timers.js';
import { WaitingLine } from './waiting-line.js';
import { WaitingPlace } from './waiting-place.js';

/** Subjects whose pace is remembered, at most twice as many. */
const PACES_REMEMBERED = 10_000;

/** Everybody in this process who waits for tokens of one policy: a line for each bucket. */
export class WaitingRoom {
  private readonly lines = new Map<string, WaitingLine>();
  private readonly paces = new RecentMap<Pace>(PACES_REMEMBERED);
  private readonly reserving = new ReservingPolicies();
  private isClosed = false;

  constructor(
    private readonly storage: RateLimitStorage,
    private readonly policy: Policy,
    private readonly timers: Timers,
  ) {}

  /** Goes on when the tokens have arrived, which are reserved at once, by one question. */
  wait(charge: Charge, maxWaitMicros: number, signal: AbortSignal | undefined): Promise<Decision> {
    const { subject, cost } = charge;
    return new Promise((resolve, reject) => {
      if (this.isClosed) throw closed();
      const place = new WaitingPlace(cost, signal, resolve, reject);
      const key = keyOf(subject, false);
      const spare = this.lines.get(key)?.spare(cost);
      if (spare === undefined) void this.reserve(place, charge, maxWaitMicros);
      else this.takeSpare(place, spare, this.lineAt(key), maxWaitMicros);
    });
  }

  /** To be told when a bucket is made full. */
  forgetPace(subject: string): void {
    this.paces.delete(keyOf(subject, false));
    this.paces.delete(keyOf(subject, true));
  }

  /** Sends all away, and gives back what was reserved for them. */
  close(): void {
    this.isClosed = true;
    for (const line of this.lines.values()) line.end(closed());
  }

  private takeSpare(place: WaitingPlace, spare: Reservation, line: WaitingLine, maxWaitMicros: number): void {
    const tooLongMicros = spare.dueMicros - this.timers.nowMicros() - maxWaitMicros;
    if (tooLongMicros > 0) return place.fail(this.tooLong(tooLongMicros));
    place.line = line;
    line.join(place);
  }

  private async reserve(place: WaitingPlace, asked: Charge, maxWaitMicros: number): Promise<void> {
    const line = this.lineAt(keyOf(asked.subject, false));
    const charge = { ...asked, policy: this.reserving.of(asked.policy, maxWaitMicros) };
    const sentMicros = this.timers.nowMicros();
    line.ask();
    try {
      const reply = await this.storage.consume([charge]);
      this.tell(place, reply.madeInstead?.[0] ?? charge, reply, sentMicros);
    } catch (error) {
      place.fail(error);
    }
    line.answered();
  }

  /** @param charge the one that was made, which in an outage is another than was asked. */
  private tell(place: WaitingPlace, charge: Charge, reply: StorageReply, sentMicros: number): void {
    const { policy, subject, cost } = charge;
    const debt = reply.debtUnits[0];
    if (debt === undefined) throw new StorageFailureError('The storage answered nothing about the charge.');
    if (!reply.allowed) {
      const units = debt + costUnits(policy, cost) - policy.capacityUnits;
      return place.fail(this.tooLong(waitMicros(policy, reply.nowMicros, units)));
    }
    const plain = plainOf(policy);
    const nowMicros = this.timers.nowMicros();
    // Counted from the arrival of the answer: the storage's time is later than what it said.
    const dueMicros = nowMicros + waitMicros(plain, reply.nowMicros, debt - plain.capacityUnits);
    const reservation = { charge, reply, toldMicros: nowMicros, dueMicros };
    // Nobody counts: there is no limit just now.
    if (debt === 0) return place.isLeft ? undefined : place.go(reservation, nowMicros);
    const key = keyOf(subject, reply.madeInstead !== undefined);
    this.paceAt(key).learn(sentMicros, nowMicros, reply.nowMicros);
    const line = this.lineAt(key);
    if (place.isLeft) return line.take(reservation);
    place.line = line;
    line.join(place, reservation);
  }

  private cancel({ charge, reply }: Reservation): MaybePromise<boolean> {
    try {
      // One that was written for an earlier version cannot.
      const done = (this.storage as Partial<RateLimitStorage>).cancel?.(charge, reply) ?? false;
      // It may have been given back, so nobody else may have it.
      return done instanceof Promise ? done.catch(() => true) : done;
    } catch {
      return true;
    }
  }

  private lineAt(key: string): WaitingLine {
    let line = this.lines.get(key);
    if (line === undefined) {
      line = new WaitingLine({
        pace: this.paceAt(key),
        timers: this.timers,
        cancel: (reservation) => this.cancel(reservation),
        onEmpty: () => void this.lines.delete(key),
      });
      this.lines.set(key, line);
    }
    return line;
  }

  private paceAt(key: string): Pace {
    let pace = this.paces.get(key);
    if (pace === undefined) this.paces.set(key, (pace = new Pace(this.policy.intervalMicros > 0)));
    return pace;
  }

  private tooLong(micros: number): WaitTooLongError {
    return new WaitTooLongError(
      `Policy "${this.policy.name}": the line is longer than maxWaitMs; in ${micros / 1000} ms it will be short enough, if nobody else comes.`,
      micros / 1000,
    );
  }
}

/** Those who are let go without the storage are a line of their own: their times are of another clock. */
function keyOf(subject: string, isWithoutStorage: boolean): string {
  return (isWithoutStorage ? 'without ' : 'with ') + mapKey(subject);
}

function closed(): LimiterClosedError {
  return new LimiterClosedError('The application is closing, and nobody can wait for tokens any longer.');
}
