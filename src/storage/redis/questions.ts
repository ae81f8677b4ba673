import { arrivalMicros, arrivalRemainder, tickMicros } from '../../core/algorithms/token-bucket.js';
import type { Bucket, Charge } from '../../core/charge.js';
import type { Owed, StorageReply } from '../../core/storage.js';
import { integersOf, unitsText } from './charge-text.js';
import type { Send } from './connection.js';
import type { DenyCache } from './deny-cache.js';
import { notAsked } from './failures.js';
import { peekEach } from './groups.js';
import type { Lanes } from './lane.js';
import { toIntegers, toStorageReply } from './reply.js';
import { CANCEL, type Message, OWE, PEEK, REFUND } from './scripts.js';

/** What refund.lua takes for a grant: the instant of a charge that no clock reaches. */
const GRANTED_AT = Number.MAX_SAFE_INTEGER;

export interface QuestionsSurroundings {
  readonly isCluster: boolean;
  readonly keyOf: (bucket: Bucket) => string;
  readonly denials: DenyCache | undefined;
  readonly lanes: Lanes;
  /** Sends one question and reads the answer; whatever goes wrong is a StorageFailureError, within the deadline. */
  readonly ask: <T>(read: (raw: unknown) => T, send: Send) => Promise<T>;
}

/**
 * All that is asked beside decisions, one call each; in a cluster one per bucket, because they may be on several nodes, now
 * or while a slot moves.
 */
export class Questions {
  constructor(private readonly surroundings: QuestionsSurroundings) {}

  async peek(charges: readonly Charge[]): Promise<StorageReply> {
    if (this.isSplit(charges)) return peekEach(charges, (charge) => this.peek([charge]));
    this.refuseWhileOpen(charges);
    const message = this.messageOf(charges);
    return this.surroundings.ask(
      (raw) => toStorageReply(raw, charges),
      (client, sent) => PEEK.put(client, message, sent),
    );
  }

  async refund(charges: readonly Charge[], thenMicros: number): Promise<void> {
    if (this.isSplit(charges)) {
      await Promise.all(charges.map((charge) => this.refund([charge], thenMicros)));
      return;
    }
    const message = this.messageOf(charges, String(thenMicros));
    await this.change(charges, (client, sent) => REFUND.put(client, message, sent));
  }

  grant(charges: readonly Charge[]): Promise<void> {
    return this.refund(charges, GRANTED_AT);
  }

  async cancel(charge: Charge, { nowMicros, debtUnits: [debt = 0] }: StorageReply): Promise<boolean> {
    const { policy } = charge;
    if (policy.windowMicros > 0) return false;
    const arrival = arrivalMicros(policy, tickMicros(policy, nowMicros), debt);
    const { keyCount, input } = this.messageOf([charge])();
    const message = { keyCount, input: [...input, String(arrival), String(arrivalRemainder(policy, debt))] };
    return this.change(
      [charge],
      (client, sent) => CANCEL.put(client, () => message, sent),
      (raw) => toIntegers([raw], 1)[0] === 1,
    );
  }

  async owe(debts: readonly Owed[]): Promise<void> {
    if (this.isSplit(debts)) return void (await Promise.all(debts.map((debt) => this.owe([debt]))));
    const keys = this.keysOf(debts);
    const input = [...keys];
    for (const { policy, debtUnits, mostUnits = Number.MAX_SAFE_INTEGER } of debts) {
      input.push(...unitsText(policy, debtUnits), String(mostUnits));
    }
    // Decisions that follow must find it done.
    await this.change(debts, (client, sent) => OWE.putText(client, { keyCount: keys.length, input }, sent));
  }

  async reset(buckets: readonly Bucket[]): Promise<void> {
    if (buckets.length === 0) return;
    if (this.isSplit(buckets)) return void (await Promise.all(buckets.map((bucket) => this.reset([bucket]))));
    const keys = this.keysOf(buckets);
    await this.change(buckets, (client, sent) => void client.del(...keys).then(sent.answer, sent.fail));
  }

  /** Sends what changes buckets otherwise than by a decision; denials that do not know of it are not kept. */
  private async change(buckets: readonly Bucket[], send: Send): Promise<void>;
  private async change<T>(buckets: readonly Bucket[], send: Send, read: (raw: unknown) => T): Promise<T>;
  private async change(buckets: readonly Bucket[], send: Send, read: (raw: unknown) => unknown = () => {}) {
    const { ask, denials, lanes } = this.surroundings;
    this.refuseWhileOpen(buckets);
    lanes.flush();
    denials?.forget(buckets);
    try {
      return await ask(read, send);
    } finally {
      // What was sent before may have been sent anew meanwhile.
      denials?.forget(buckets);
    }
  }

  private refuseWhileOpen([first]: readonly Bucket[]): void {
    if (first === undefined) return;
    const { isOpen, reason } = this.surroundings.lanes.breakerOf(first);
    if (isOpen) throw notAsked(reason);
  }

  private isSplit(buckets: readonly Bucket[]): boolean {
    return this.surroundings.isCluster && buckets.length > 1;
  }

  private messageOf(charges: readonly Charge[], ...first: readonly string[]): () => Message {
    const keys = this.keysOf(charges);
    const message = { keyCount: keys.length, input: [...keys, ...first, ...charges.flatMap(integersOf)] };
    return () => message;
  }

  private keysOf(buckets: readonly Bucket[]): string[] {
    return buckets.map(this.surroundings.keyOf);
  }
}
