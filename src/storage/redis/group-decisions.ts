import type { Charge } from '../../core/charge.js';
import type { StorageReply } from '../../core/storage.js';
import type { Breaker } from './breaker.js';
import type { Deadline } from './deadline.js';
import type { DenyCache } from './deny-cache.js';
import { notAsked } from './failures.js';
import { bySlot, type Group, type GroupAsker, GroupedDecision } from './groups.js';

/** Decides about charges that are in several slots of a cluster, group by group. */
export class GroupDecisions {
  constructor(
    private readonly asker: GroupAsker,
    private readonly denials: DenyCache | undefined,
    private readonly deadline: Deadline,
    private readonly breakerOf: (charge: Charge) => Breaker,
  ) {}

  decide(charges: readonly Charge[]): Promise<StorageReply> {
    const bySize = bySlot(charges);
    // Else what sound nodes keep would be taken only to be given back, and others would miss it meanwhile.
    const away = bySize.map(([first]) => this.breakerOf(first!)).find(({ isOpen }) => isOpen);
    if (away !== undefined) return Promise.reject(notAsked(away.reason));
    return new Promise((resolve, reject) => {
      const ranks = new Map(bySize.map((group) => [group, this.rankOf(group)]));
      const groups = bySize.toSorted((one, other) => ranks.get(one)! - ranks.get(other)!);
      const decision = new GroupedDecision(charges, groups, this.asker, resolve, reject);
      this.deadline.watch(decision);
      void decision.run();
    });
  }

  /**
   * What is known to be denied is denied first, and nothing has to be given back. Then whoever may not answer is asked:
   * what others keep is not held while it is waited for.
   */
  private rankOf(group: Group): number {
    if (this.denials?.replyTo(group) !== undefined) return 0;
    return this.breakerOf(group[0]!).isInDoubt ? 1 : 2;
  }
}
