import type { Reservation } from './reservation.js';
import type { WaitingGroups } from './waiting-groups.js';

/** What is reserved for a line, in the order of the times. */
export class ReservationList {
  private readonly all: Reservation[] = [];
  /** Those of which the bucket knows nothing any more, because it was made full. */
  private readonly forgotten = new Set<Reservation>();

  constructor(private readonly groups: WaitingGroups) {}

  get size(): number {
    return this.all.length;
  }

  get first(): Reservation | undefined {
    return this.all[0];
  }

  get last(): Reservation | undefined {
    return this.all.at(-1);
  }

  get list(): readonly Reservation[] {
    return [...this.all];
  }

  has(reservation: Reservation): boolean {
    return this.all.includes(reservation);
  }

  /** In the order of their times. */
  ofCost(cost: number): readonly Reservation[] {
    return this.all.filter(({ charge }) => charge.cost === cost);
  }

  insert(reservation: Reservation): void {
    const before = this.all.findLastIndex(({ dueMicros }) => dueMicros <= reservation.dueMicros);
    this.all.splice(before + 1, 0, reservation);
    this.groups.of(reservation.charge.cost).reserved++;
  }

  remove(reservation: Reservation): void {
    // Most are the first or the last.
    const at = reservation === this.first ? 0 : this.all.lastIndexOf(reservation);
    this.all.splice(at, 1);
    this.forgotten.delete(reservation);
    this.groups.of(reservation.charge.cost).reserved--;
  }

  /** Whether more of its cost are reserved than are waited for. */
  isSurplus({ charge }: Reservation): boolean {
    const { waiters, reserved } = this.groups.of(charge.cost);
    return reserved > waiters.size;
  }

  isForgotten(reservation: Reservation): boolean {
    return this.forgotten.has(reservation);
  }

  forget(reservation: Reservation): void {
    this.forgotten.add(reservation);
  }

  /** The bucket has forgotten them all. Those that nobody waits for are of no use any more. */
  forgetAll(): void {
    for (const reservation of this.all) this.forgotten.add(reservation);
    this.dropForgotten();
  }

  /** Lets go of what is forgotten and waited for by nobody, the latest first. */
  dropForgotten(): void {
    if (this.forgotten.size === 0) return;
    for (const reservation of this.all.toReversed()) {
      if (this.forgotten.has(reservation) && this.isSurplus(reservation)) this.remove(reservation);
    }
  }
}
