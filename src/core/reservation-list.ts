import { areNeighbours, exchanged } from './reservation.js';
import type { SentReservation } from './reserver.js';
import type { WaitingGroups } from './waiting-groups.js';

/** What is reserved for a line, in the order of the times. */
export class ReservationList {
  private all: SentReservation[] = [];
  /** What is asked for again, and how many resets had been sent by then. Apart from the others: no time of theirs counts. */
  private readonly renewing = new Map<SentReservation, number>();
  /** Those of the list of which the bucket knows nothing any more. They could not be asked for again. */
  private readonly forgotten = new Set<SentReservation>();

  constructor(private readonly groups: WaitingGroups) {}

  get size(): number {
    return this.all.length + this.renewing.size;
  }

  get first(): SentReservation | undefined {
    return this.all[0];
  }

  get last(): SentReservation | undefined {
    return this.all.at(-1);
  }

  get isRenewing(): boolean {
    return this.renewing.size > 0;
  }

  /** In the order of their times. */
  ofCost(cost: number): readonly SentReservation[] {
    return this.all.filter(({ charge }) => charge.cost === cost);
  }

  insert(reservation: SentReservation): void {
    const before = this.all.findLastIndex(({ dueMicros }) => dueMicros <= reservation.dueMicros);
    this.all.splice(before + 1, 0, reservation);
    this.groups.of(reservation.charge.cost).reserved++;
  }

  remove(reservation: SentReservation): void {
    // Most are the first or the last.
    const at = reservation === this.first ? 0 : this.all.lastIndexOf(reservation);
    this.all.splice(at, 1);
    this.letGo(reservation);
  }

  /**
   * To be called when one has left who was the nth to wait for so many tokens, from 0. His reservation goes behind those that
   * follow it in the bucket, which come sooner by that. It stays before those of other instances, which have been told
   * their times.
   */
  moveBack(cost: number, nth: number, nowMicros: number): void {
    let at = this.all.indexOf(this.ofCost(cost)[nth]!);
    while (at >= 0) at = this.placeBehind(at, nowMicros);
  }

  /** Whether more of its cost are reserved than are waited for. */
  isSurplus({ charge }: SentReservation): boolean {
    return this.groups.surplusOf(charge.cost) > 0;
  }

  isForgotten(reservation: SentReservation): boolean {
    return this.forgotten.has(reservation);
  }

  /**
   * The bucket has forgotten what was asked for before this reset was sent. Answers what is to be asked for again; what
   * nobody waits for is of no use any more, the latest first. In one pass, because lines can be long.
   * @param resetsSent up to now
   */
  forgetBefore(reset: number, resetsSent: number): readonly SentReservation[] {
    const askedAgain = [...this.renewing].flatMap(([one, sent]) => (sent < reset ? [one] : []));
    const lost = [...askedAgain, ...this.all.filter((one) => one.resetsSent < reset)];
    this.all = this.all.filter((one) => one.resetsSent >= reset);
    const waitedFor = lost
      .toSorted((one, other) => other.dueMicros - one.dueMicros)
      .filter((one) => {
        this.renewing.delete(one);
        const isWaitedFor = !this.isSurplus(one);
        this.letGo(one);
        // Counted at once, so that the next is compared with what is left.
        if (isWaitedFor) this.renew(one, resetsSent);
        return isWaitedFor;
      });
    return waitedFor.toReversed();
  }

  /** Takes one that is not in the list, because the bucket has forgotten it, and that is asked for again. */
  renew(forgotten: SentReservation, resetsSent: number): void {
    this.renewing.set(forgotten, resetsSent);
    this.groups.of(forgotten.charge.cost).reserved++;
  }

  /** @param reservation what comes in the place of the forgotten one; left out: nothing, and that keeps its time. */
  renewed(forgotten: SentReservation, reservation = forgotten): void {
    if (this.renewing.delete(forgotten)) this.letGo(forgotten);
    if (reservation === forgotten) this.forgotten.add(forgotten);
    this.insert(reservation);
  }

  /** Lets go of what is forgotten and waited for by nobody, the latest first. */
  dropForgotten(): void {
    if (this.forgotten.size === 0 || !this.groups.isAnySurplus) return;
    for (const reservation of this.all.toReversed()) {
      if (this.forgotten.has(reservation) && this.isSurplus(reservation)) this.remove(reservation);
    }
  }

  /** Where the reservation is, or the one that is left over in its stead, when it has gone back by one place; -1: it stays. */
  private placeBehind(at: number, nowMicros: number): number {
    const one = this.all[at]!;
    const next = this.all[at + 1];
    if (next === undefined) return -1;
    const { cost } = one.charge;
    // Of equal ones the first who waits takes the first: it is the other that is left over.
    if (next.charge.cost === cost) return at + 1;
    if (!this.areExchangeable(one, next, nowMicros)) {
      return this.all.findIndex(({ charge }, i) => i > at && charge.cost === cost);
    }
    this.all.splice(at, 2, ...exchanged(one, next));
    return at + 1;
  }

  private areExchangeable(one: SentReservation, next: SentReservation, nowMicros: number): boolean {
    // The tokens of one that is overdue would have overflowed meanwhile.
    if (one.dueMicros <= nowMicros || one.resetsSent !== next.resetsSent) return false;
    return !this.forgotten.has(one) && !this.forgotten.has(next) && areNeighbours(one, next);
  }

  private letGo(reservation: SentReservation): void {
    this.forgotten.delete(reservation);
    this.groups.of(reservation.charge.cost).reserved--;
  }
}
