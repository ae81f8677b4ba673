import type { Pace } from './pace.js';
import { plainOf } from './reservation.js';
import { ReservationList } from './reservation-list.js';
import type { SentReservation } from './reserver.js';
import type { MaybePromise } from './storage.js';
import { Alarm, type Timers } from './timers.js';
import { type Waiter, WaitingGroups } from './waiting-groups.js';

/** No instant of a clock. */
const SERVED = 0;

export interface LineSurroundings {
  readonly pace: Pace;
  readonly timers: Timers;
  /** Gives a reservation back to its bucket; false: others have been promised times that count on it. */
  readonly cancel: (reservation: SentReservation) => MaybePromise<boolean>;
  readonly onEmpty: () => void;
}

/**
 * Who waits in this process for tokens of one bucket, and what has been reserved for them. A reservation is not tied to
 * the one who made it: the first who waits for so many tokens gets it when they arrive. So when somebody leaves, all
 * behind move up (those who wait for more or fewer because reservations change places), and the last reservation is left
 * over. It goes back to the bucket if it is the last there, too; else it is kept until its time for the next who comes.
 */
export class WaitingLine {
  private asking = 0;
  private returning = 0;
  private latestReset = 0;
  private readonly groups = new WaitingGroups();
  private readonly reservations = new ReservationList(this.groups);
  private readonly kept = new WeakSet<SentReservation>();
  private readonly alarm: Alarm;

  constructor(private readonly surroundings: LineSurroundings) {
    this.alarm = new Alarm(surroundings.timers, () => this.settle());
  }

  /** The reservation that a newcomer would get without one of his own; `undefined`: there is none to spare. */
  spare(cost: number): SentReservation | undefined {
    const { waiters, reserved } = this.groups.of(cost);
    // Who asked before him, and has no answer yet, comes before him.
    if (this.asking > 0 || reserved <= waiters.size) return undefined;
    return this.reservations.ofCost(cost)[waiters.size];
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
  join(waiter: Waiter, reservation?: SentReservation): void {
    this.groups.of(waiter.cost).waiters.add(waiter);
    if (reservation !== undefined) this.reservations.insert(reservation);
    this.settle();
  }

  /** Takes what was reserved for somebody who has gone meanwhile. */
  take(reservation: SentReservation): void {
    this.reservations.insert(reservation);
    this.settle();
  }

  leave(waiter: Waiter): void {
    const { cost } = waiter;
    const { waiters } = this.groups.of(cost);
    // What is asked for again has no place yet.
    if (this.groups.areSeveral && !this.reservations.isRenewing) {
      this.reservations.moveBack(cost, [...waiters].indexOf(waiter), this.surroundings.timers.nowMicros());
    }
    waiters.delete(waiter);
    this.settle();
  }

  /** Whether the bucket was made full after this was asked for. */
  hasForgotten({ resetsSent }: Pick<SentReservation, 'resetsSent'>): boolean {
    return resetsSent < this.latestReset;
  }

  /**
   * To be called when the bucket was made full and has forgotten what was asked for before. Answers what of that is waited
   * for, in its order, to be asked for again and told of by {@link renewed}.
   * @param reset the latest that was done: how many had been sent with it
   * @param sent how many have been sent up to now
   */
  forget(reset: number, sent: number): readonly SentReservation[] {
    this.latestReset = reset;
    this.surroundings.pace.forget();
    const forgotten = this.reservations.forgetBefore(reset, sent);
    this.settle();
    return forgotten;
  }

  /** For one whose reservation was forgotten before he knew of it. */
  joinForgotten(waiter: Waiter, forgotten: SentReservation, sent: number): void {
    this.groups.of(waiter.cost).waiters.add(waiter);
    this.reservations.renew(forgotten, sent);
  }

  /** @param reservation what comes in the place of the forgotten one; left out: nothing, and that keeps its time. */
  renewed(forgotten: SentReservation, reservation?: SentReservation): void {
    this.reservations.renewed(forgotten, reservation);
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
    this.reservations.dropForgotten();
    this.groups.forgetEmpty();
    if (this.reservations.size > 0 && nextAtMicros < Infinity)
      this.alarm.set(nextAtMicros, this.groups.isAnybodyWaiting);
    else this.alarm.clear();
    if (this.reservations.size + this.asking + this.returning === 0) this.surroundings.onEmpty();
  }

  /** Serves the first reservation if its time has come. Answers when that will be, or SERVED; `Infinity`: nobody knows. */
  private serve(): number {
    const { first } = this.reservations;
    if (first === undefined) return Infinity;
    const { pace, timers } = this.surroundings;
    const { policy, cost } = first.charge;
    const now = timers.nowMicros();
    if (first.dueMicros > now) return first.dueMicros;
    const [waiter] = this.groups.of(cost).waiters;
    const heldMicros = waiter === undefined ? 0 : pace.holdMicros(plainOf(policy), cost, now);
    if (heldMicros > 0) return now + heldMicros;
    this.reservations.remove(first);
    // What nobody has come for by its time is lost.
    if (waiter === undefined) return SERVED;
    pace.count(plainOf(policy), cost, first.dueMicros, now);
    this.groups.of(cost).waiters.delete(waiter);
    waiter.go(first, now);
    return SERVED;
  }

  private giveBackLast(): void {
    for (let { last } = this.reservations; last !== undefined; { last } = this.reservations) {
      if (!this.reservations.isSurplus(last) || this.kept.has(last)) return;
      const isForgotten = this.reservations.isForgotten(last);
      // What is asked for again comes behind it in the bucket.
      if (!isForgotten && this.reservations.isRenewing) return;
      this.reservations.remove(last);
      if (!isForgotten) this.giveBack(last);
    }
  }

  private giveBack(reservation: SentReservation): void {
    const isGivenBack = this.surroundings.cancel(reservation);
    if (isGivenBack === false) this.keep(reservation);
    if (!(isGivenBack instanceof Promise)) return;
    this.returning++;
    void isGivenBack.then((is) => {
      this.returning--;
      if (!is && !this.hasForgotten(reservation)) this.keep(reservation);
      this.settle();
    });
  }

  private keep(reservation: SentReservation): void {
    this.kept.add(reservation);
    this.reservations.insert(reservation);
  }
}
