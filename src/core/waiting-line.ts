import type { Pace } from './pace.js';
import { plainOf, type Reservation } from './reservation.js';
import type { MaybePromise } from './storage.js';
import { Alarm, type Timers } from './timers.js';
import { type Waiter, WaitingGroups } from './waiting-groups.js';

/** No instant of a clock. */
const SERVED = 0;

export interface LineSurroundings {
  readonly pace: Pace;
  readonly timers: Timers;
  /** Gives a reservation back to its bucket; false: others have been promised times that count on it. */
  readonly cancel: (reservation: Reservation) => MaybePromise<boolean>;
  readonly onEmpty: () => void;
}

/**
 * Who waits in this process for tokens of one bucket, and what has been reserved for them. A reservation is not tied to
 * the one who made it: the first who waits for so many tokens gets it when they arrive. So when somebody leaves, all
 * behind move up, and the last reservation is left over. It goes back to the bucket if it is the last there, too; else
 * it is kept until its time for the next who comes.
 */
export class WaitingLine {
  private asking = 0;
  private returning = 0;
  /** In the order of their times. */
  private readonly reservations: Reservation[] = [];
  private readonly groups = new WaitingGroups();
  private readonly kept = new WeakSet<Reservation>();
  private readonly alarm: Alarm;

  constructor(private readonly surroundings: LineSurroundings) {
    this.alarm = new Alarm(surroundings.timers, () => this.settle());
  }

  /** The reservation that a newcomer would get without one of his own; `undefined`: there is none to spare. */
  spare(cost: number): Reservation | undefined {
    const { waiters, reserved } = this.groups.of(cost);
    // Who asked before him, and has no answer yet, comes before him.
    if (this.asking > 0 || reserved <= waiters.size) return undefined;
    return this.reservations.filter(({ charge }) => charge.cost === cost)[waiters.size];
  }

  /** To be called when a reservation is asked for, and {@link answered} once it is known what became of that. */
  ask(): void {
    this.asking++;
  }

  answered(): void {
    this.asking--;
    this.settle();
  }

  /** @param reservation his own; left out for one who takes what is to spare. */
  join(waiter: Waiter, reservation?: Reservation): void {
    this.groups.of(waiter.cost).waiters.add(waiter);
    if (reservation !== undefined) this.insert(reservation);
    this.settle();
  }

  /** Takes what was reserved for somebody who has gone meanwhile. */
  take(reservation: Reservation): void {
    this.insert(reservation);
    this.settle();
  }

  leave(waiter: Waiter): void {
    this.groups.of(waiter.cost).waiters.delete(waiter);
    this.settle();
  }

  /** Sends everybody away. */
  end(error: Error): void {
    for (const waiter of this.groups.dismiss()) waiter.fail(error);
    this.settle();
  }

  /** Lets go whose time has come, gives back what nobody waits for, and sets the alarm for the next. */
  private settle(): void {
    let nextAtMicros = this.serve();
    while (nextAtMicros === SERVED) nextAtMicros = this.serve();
    this.giveBackLast();
    this.groups.forgetEmpty();
    if (this.reservations.length > 0) this.alarm.set(nextAtMicros, this.groups.isAnybodyWaiting);
    else this.alarm.clear();
    if (this.reservations.length + this.asking + this.returning === 0) this.surroundings.onEmpty();
  }

  /** Serves the first reservation if its time has come. Answers when that will be, or SERVED. */
  private serve(): number {
    const first = this.reservations[0];
    if (first === undefined) return Infinity;
    const { pace, timers } = this.surroundings;
    const { policy, cost } = first.charge;
    const now = timers.nowMicros();
    if (first.dueMicros > now) return first.dueMicros;
    const [waiter] = this.groups.of(cost).waiters;
    const heldMicros = waiter === undefined ? 0 : pace.holdMicros(plainOf(policy), cost, now);
    if (heldMicros > 0) return now + heldMicros;
    this.remove(0);
    // What nobody has come for by its time is lost.
    if (waiter === undefined) return SERVED;
    pace.count(plainOf(policy), cost, first.dueMicros, now);
    this.groups.of(cost).waiters.delete(waiter);
    waiter.go(first, now);
    return SERVED;
  }

  private giveBackLast(): void {
    for (let last = this.reservations.at(-1); last !== undefined; last = this.reservations.at(-1)) {
      const { waiters, reserved } = this.groups.of(last.charge.cost);
      if (reserved <= waiters.size || this.kept.has(last)) return;
      this.remove(this.reservations.length - 1);
      this.giveBack(last);
    }
  }

  private giveBack(reservation: Reservation): void {
    const isGivenBack = this.surroundings.cancel(reservation);
    if (isGivenBack === false) this.keep(reservation);
    if (!(isGivenBack instanceof Promise)) return;
    this.returning++;
    void isGivenBack.then((is) => {
      this.returning--;
      if (!is) this.keep(reservation);
      this.settle();
    });
  }

  private keep(reservation: Reservation): void {
    this.kept.add(reservation);
    this.insert(reservation);
  }

  private insert(reservation: Reservation): void {
    const before = this.reservations.findLastIndex(({ dueMicros }) => dueMicros <= reservation.dueMicros);
    this.reservations.splice(before + 1, 0, reservation);
    this.groups.of(reservation.charge.cost).reserved++;
  }

  private remove(at: number): void {
    const [reservation] = this.reservations.splice(at, 1);
    this.groups.of(reservation!.charge.cost).reserved--;
  }
}
