import { costUnits, waitMicros } from './algorithms/token-bucket.js';
import { mapKey } from './bucket-key.js';
import type { Charge } from './charge.js';
import { StorageFailureError, WaitTooLongError } from './errors.js';
import { Pace } from './pace.js';
import type { Policy } from './policy.js';
import { RecentMap } from './recent-map.js';
import { dueMicros, type Reservation } from './reservation.js';
import type { MaybePromise, RateLimitStorage, StorageReply } from './storage.js';
import type { Timers } from './timers.js';
import { resetsSent } from './waiting-rooms.js';

/** Subjects whose pace is remembered, at most twice as many. */
const PACES_REMEMBERED = 10_000;

/** One that can be told from those that a reset has forgotten. */
export interface SentReservation extends Reservation {
  /** How many resets this process had sent when it asked. */
  readonly resetsSent: number;
}

/** Asks for tokens before they arrive, gives them back, and learns from the answers how the storage's time goes. */
export class Reserver {
  private readonly paces = new RecentMap<Pace>(PACES_REMEMBERED);

  constructor(
    private readonly storage: RateLimitStorage,
    private readonly policy: Policy,
    private readonly timers: Timers,
  ) {}

  /**
   * @param policy by which it is charged: that of `asked`, and how long it may wait
   * @throws WaitTooLongError where it was refused · StorageFailureError
   */
  async reserve(asked: Charge, policy: Policy): Promise<SentReservation> {
    const sentMicros = this.timers.nowMicros();
    const sent = resetsSent();
    const charge = { ...asked, policy };
    const reply = await this.storage.consume([charge]);
    return { ...this.reservationOf(asked, reply.madeInstead?.[0] ?? charge, reply, sentMicros), resetsSent: sent };
  }

  /** Answers whether it was taken back; where that is unknown, too, so that nobody else has it. */
  cancel({ charge, reply }: Reservation): MaybePromise<boolean> {
    try {
      // One that was written for an earlier version cannot.
      const done = (this.storage as Partial<RateLimitStorage>).cancel?.(charge, reply) ?? false;
      return done instanceof Promise ? done.catch(() => true) : done;
    } catch {
      return true;
    }
  }

  /** Of those in line under this key. */
  paceAt(key: string): Pace {
    let pace = this.paces.get(key);
    if (pace === undefined) this.paces.set(key, (pace = new Pace(this.policy.intervalMicros > 0)));
    return pace;
  }

  forgetPaces(subject: string): void {
    for (const isWithoutStorage of [false, true]) this.paces.get(lineKey(subject, isWithoutStorage))?.forget();
  }

  tooLong(micros: number): WaitTooLongError {
    return new WaitTooLongError(
      `Policy "${this.policy.name}": the line is longer than maxWaitMs; in ${micros / 1000} ms it will be short enough, if nobody else comes.`,
      micros / 1000,
    );
  }

  /** @param charge the one that was made, which in an outage is another than was asked. */
  private reservationOf(asked: Charge, charge: Charge, reply: StorageReply, sentMicros: number): Reservation {
    const { policy, subject, cost } = charge;
    const debt = reply.debtUnits[0];
    if (debt === undefined) throw new StorageFailureError('The storage answered nothing about the charge.');
    if (!reply.allowed) {
      const units = debt + costUnits(policy, cost) - policy.capacityUnits;
      throw this.tooLong(waitMicros(policy, reply.nowMicros, units));
    }
    const nowMicros = this.timers.nowMicros();
    if (debt > 0) {
      this.paceAt(lineKey(subject, reply.madeInstead !== undefined)).learn(sentMicros, nowMicros, reply.nowMicros);
    }
    return { asked, charge, reply, toldMicros: nowMicros, dueMicros: dueMicros(charge, reply, nowMicros) };
  }
}

/** Those who are let go without the storage are a line of their own: their times are of another clock. */
export function lineKey(subject: string, isWithoutStorage: boolean): string {
  return (isWithoutStorage ? 'without ' : 'with ') + mapKey(subject);
}
