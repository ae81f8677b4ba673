import type { Charge } from '../../core/charge.js';
import type { StorageReply } from '../../core/storage.js';
import type { Deadline } from './deadline.js';
import type { DenyCache } from './deny-cache.js';
import { bySlot, type GroupAsker, GroupedDecision } from './groups.js';

/** Decides about charges that are in several slots of a cluster, group by group. */
export class GroupDecisions {
  constructor(
    private readonly asker: GroupAsker,
    private readonly denials: DenyCache | undefined,
    private readonly deadline: Deadline,
  ) {}

  decide(charges: readonly Charge[]): Promise<StorageReply> {
    return new Promise((resolve, reject) => {
      const groups = bySlot(charges);
      // What is known to be denied is denied first, and nothing has to be given back.
      const denied = groups.findIndex((group) => this.denials?.replyTo(group) !== undefined);
      if (denied > 0) groups.unshift(...groups.splice(denied, 1));
      const decision = new GroupedDecision(charges, groups, this.asker, resolve, reject);
      this.deadline.watch(decision);
      void decision.run();
    });
  }
}
