import { costUnits } from '../../core/algorithms/token-bucket.js';
import type { Charge } from '../../core/charge.js';
import type { Instants } from '../../core/instants.js';
import { StorageFailureError } from '../../core/errors.js';
import type { MaybePromise, StorageReply } from '../../core/storage.js';
import { toError } from './failures.js';
import { Question } from './question.js';
import { slotOf } from './slots.js';

export type Group = readonly Charge[];

/** How the groups of a decision are asked, one by one. */
export interface GroupAsker {
  consume(group: Group): MaybePromise<StorageReply>;
  peek(charges: readonly Charge[]): Promise<StorageReply>;
  /** Gives back what is left of charges; nobody waits for it. */
  giveBack(group: Group, thenMicros: number): void;
}

/** Whether no single call can decide about all charges. */
export function spansSlots(charges: readonly Charge[]): boolean {
  if (charges.length === 1) return false;
  const { subject } = charges[0]!;
  if (charges.every((charge) => charge.subject === subject)) return false;
  const slot = slotOf(subject);
  return charges.some((charge) => slotOf(charge.subject) !== slot);
}

/** The charges of each slot; first those of the smallest capacity, which deny most often, so that little is given back. */
export function bySlot(charges: readonly Charge[]): Group[] {
  const groups = new Map<number, Charge[]>();
  for (const charge of charges) {
    const slot = slotOf(charge.subject);
    const group = groups.get(slot);
    if (group === undefined) groups.set(slot, [charge]);
    else group.push(charge);
  }
  const capacity = (group: Group) => Math.min(...group.map(({ policy }) => policy.capacity));
  return [...groups.values()].toSorted((one, other) => capacity(one) - capacity(other));
}

/** A peek at buckets of which each is asked by itself. Like every denial it has the time of the server that denies. */
export async function peekEach(
  charges: readonly Charge[],
  peek: (charge: Charge) => Promise<StorageReply>,
): Promise<StorageReply> {
  const replies = await Promise.all(charges.map(peek));
  const denied = replies.find(({ allowed }) => !allowed);
  const { nowMicros } = denied ?? replies[0]!;
  const debtUnits = replies.map(({ debtUnits }) => debtUnits[0]!);
  const reply = { allowed: denied === undefined, nowMicros, debtUnits };
  if (charges.every(({ policy }) => policy.windowMicros === 0)) return reply;
  const instants = replies.map((one) => one.instants?.[0]);
  return { ...reply, instants, nowMicrosEach: replies.map((one) => one.nowMicros) };
}

/**
 * A decision that no single call can make: its groups are asked one after the other, and what the earlier ones took is
 * given back when a later one denies or fails. So it admits nothing that one of its limits would not; between taking and
 * giving back, others may be denied for tokens that nobody gets.
 */
export class GroupedDecision extends Question<StorageReply> {
  /** Whether a yes would still be of use. */
  isWanted: () => boolean = () => this.isAwaited;
  private readonly debts = new Map<Charge, number>();
  /** Of charges on sliding windows; what is given back may only make them too late. */
  private readonly instants = new Map<Charge, Instants>();
  private readonly times = new Map<Charge, number>();
  private readonly taken: { readonly group: Group; readonly nowMicros: number }[] = [];
  private denial: StorageReply | undefined;

  constructor(
    private readonly charges: readonly Charge[],
    private readonly groups: readonly Group[],
    private readonly asker: GroupAsker,
    resolve: (reply: StorageReply) => void,
    reject: (error: Error) => void,
  ) {
    super(resolve, reject);
  }

  async run(): Promise<void> {
    try {
      for (const [i, group] of this.groups.entries()) {
        const reply = await this.asker.consume(group);
        if (!reply.allowed) return await this.deny(group, reply, this.groups.slice(i + 1).flat());
        this.taken.push({ group, nowMicros: reply.nowMicros });
        this.note(group, reply);
        if (!this.isWanted()) return this.giveBack();
      }
      // The earliest of the times of several servers: whatever is given back later is never more than what is left.
      this.settle(this.reply(true, Math.min(...this.taken.map(({ nowMicros }) => nowMicros))));
    } catch (error) {
      this.break(this.taken.length === 0 ? error : ofUnknownOutcome(error));
      this.giveBack();
    }
  }

  /** A denial that is known stands, even where a server is too slow to say what the other buckets hold. */
  override expire(error: Error): void {
    if (this.denial === undefined) super.expire(error);
    else this.settle(this.denial);
  }

  private async deny(group: Group, reply: StorageReply, notAsked: readonly Charge[]): Promise<void> {
    this.giveBack();
    this.note(group, reply);
    this.denial = this.reply(false, reply.nowMicros);
    if (notAsked.length > 0) {
      const found = await this.asker.peek(notAsked).catch(() => undefined);
      if (found !== undefined) this.note(notAsked, found);
    }
    this.settle(this.reply(false, reply.nowMicros));
  }

  private giveBack(): void {
    for (const { group, nowMicros } of this.taken) {
      this.asker.giveBack(group, nowMicros);
      for (const charge of group) {
        this.debts.set(charge, this.debts.get(charge)! - costUnits(charge.policy, charge.cost));
      }
    }
  }

  private note(charges: readonly Charge[], { nowMicros, nowMicrosEach, debtUnits, instants }: StorageReply): void {
    charges.forEach((charge, i) => {
      this.debts.set(charge, debtUnits[i]!);
      this.times.set(charge, nowMicrosEach?.[i] ?? nowMicros);
      if (instants?.[i] !== undefined) this.instants.set(charge, instants[i]);
    });
  }

  /** Of a bucket that could not be asked no debt is known. */
  private reply(allowed: boolean, nowMicros: number): StorageReply {
    const debtUnits = this.charges.map((charge) => this.debts.get(charge) ?? 0);
    const reply = { allowed, nowMicros, debtUnits };
    if (this.charges.every(({ policy }) => policy.windowMicros === 0)) return reply;
    // Their instants are those of each server, and so is the time at which a charge stands in one of them.
    return {
      ...reply,
      instants: this.charges.map((charge) => this.instants.get(charge) ?? unknownOf(charge)),
      nowMicrosEach: this.charges.map((charge) => this.times.get(charge) ?? nowMicros),
    };
  }
}

/** What was taken is given back, but nobody knows whether that succeeds. */
function ofUnknownOutcome(thrown: unknown): Error {
  const error = toError(thrown);
  if (!(error instanceof StorageFailureError) || !error.isUncharged) return error;
  return new StorageFailureError(error.message, { cause: error });
}

const UNKNOWN: Instants = { retryAtMicros: 0, nextTokenAtMicros: 0, fullAtMicros: 0 };

function unknownOf({ policy }: Charge): Instants | undefined {
  return policy.windowMicros > 0 ? UNKNOWN : undefined;
}
