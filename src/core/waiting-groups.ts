import type { Reservation } from './reservation.js';

/** Somebody in a line. */
export interface Waiter {
  readonly cost: number;
  readonly go: (reservation: Reservation, nowMicros: number) => void;
  readonly fail: (error: Error) => void;
}

/** Those who wait for the same number of tokens, in the order in which they came, and how often that is reserved. */
export interface Group {
  readonly waiters: Set<Waiter>;
  reserved: number;
}

/** The groups of a line, by cost. */
export class WaitingGroups {
  private readonly groups = new Map<number, Group>();

  of(cost: number): Group {
    let group = this.groups.get(cost);
    if (group === undefined) this.groups.set(cost, (group = { waiters: new Set(), reserved: 0 }));
    return group;
  }

  /** Whether not all wait for the same number of tokens. */
  get areSeveral(): boolean {
    return this.groups.size > 1;
  }

  get isAnybodyWaiting(): boolean {
    for (const { waiters } of this.groups.values()) if (waiters.size > 0) return true;
    return false;
  }

  /** How many more of this cost are reserved than are waited for. */
  surplusOf(cost: number): number {
    const { waiters, reserved } = this.of(cost);
    return reserved - waiters.size;
  }

  get isAnySurplus(): boolean {
    for (const { waiters, reserved } of this.groups.values()) if (reserved > waiters.size) return true;
    return false;
  }

  /** Empties the groups, and answers who was in them. */
  dismiss(): readonly Waiter[] {
    const dismissed = [...this.groups.values()].flatMap(({ waiters }) => [...waiters]);
    for (const { waiters } of this.groups.values()) waiters.clear();
    return dismissed;
  }

  forgetEmpty(): void {
    for (const [cost, { waiters, reserved }] of this.groups) {
      if (waiters.size === 0 && reserved === 0) this.groups.delete(cost);
    }
  }
}
