import { costUnits } from '../../core/algorithms/token-bucket.js';
import type { Charge } from '../../core/charge.js';
import type { StorageReply } from '../../core/storage.js';
import { integersBeside, toInstants } from './window-reply.js';

/** How many integers consume.lua replies about a group with these charges. */
export function integersAbout(charges: readonly Charge[]): number {
  return 1 + charges.length + integersBeside(charges);
}

/** What consume.lua says about a group of equal requests. */
export class GroupReply {
  /** How many of them were admitted: the first ones. */
  readonly admitted: number;

  /**
   * @param integers the whole reply; the first of them is the time of the server
   * @param at where in it stands what is said about the group
   */
  constructor(
    private readonly charges: readonly Charge[],
    private readonly integers: readonly number[],
    private readonly at: number,
  ) {
    this.admitted = integers[at]!;
  }

  /** What is said of its sliding windows. */
  get beside(): readonly number[] {
    const { charges, integers, at } = this;
    return integers.slice(at + 1 + charges.length, at + integersAbout(charges));
  }

  /** What the nth of those admitted is told, from 1. */
  toAdmitted(nth: number): StorageReply {
    return this.reply(nth, true);
  }

  /** What those who were not are told. */
  get toDenied(): StorageReply {
    return this.reply(this.admitted, false);
  }

  private reply(taken: number, allowed: boolean): StorageReply {
    const { charges, integers, at, admitted } = this;
    const nowMicros = integers[0]!;
    const debtUnits = charges.map(({ policy, cost }, i) => integers[at + 1 + i]! + taken * costUnits(policy, cost));
    if (integersBeside(charges) === 0) return { allowed, nowMicros, debtUnits };
    return { allowed, nowMicros, debtUnits, instants: toInstants(charges, this.beside, nowMicros, admitted - taken) };
  }
}
