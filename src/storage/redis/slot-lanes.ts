import type { Bucket } from '../../core/charge.js';
import { Batch, Decision } from './batch.js';
import { Batcher } from './batcher.js';
import type { Breaker } from './breaker.js';
import type { Deadline } from './deadline.js';
import { isRedirection } from './failures.js';
import { type Group, type GroupAsker, GroupedDecision, spansSlots } from './groups.js';
import type { Lanes, LaneSurroundings } from './lane.js';
import { NodeBreakers } from './node-breakers.js';
import { slotOf } from './slots.js';

/** Stands for all when the connection as a whole is found wanting. */
const ANY_SUBJECT = 'probe';

export interface SlotLanesSurroundings extends LaneSurroundings {
  /** The address of the node that has the slot, as far as is known here. */
  readonly nodeOf: (slot: number) => string | undefined;
  /** Finds out anew which node has which slot. */
  readonly refreshSlots: () => void;
  readonly deadline: Deadline;
  readonly asker: GroupAsker;
}

/** The ways to the nodes of a cluster. A call may touch one slot only, so decisions gather per slot. */
export class SlotLanes implements Lanes {
  /** Of the slots for which something is under way. */
  private readonly batchers = new Map<number, Batcher>();
  private readonly breakers: NodeBreakers;

  constructor(private readonly surroundings: SlotLanesSurroundings) {
    const { availability, nodeOf, refreshSlots, probe } = surroundings;
    this.breakers = new NodeBreakers({
      nodeOf,
      // A node that only stands still keeps its connection, and its slots may have a new master already.
      probe: (subject) => {
        refreshSlots();
        return probe(subject);
      },
      onChange: (node, isOpen, reason) =>
        isOpen ? availability.lostNode(node, reason) : availability.regainedNode(node),
    });
  }

  /** @param decision all of its charges are in one slot. */
  add(decision: Decision): void {
    if (spansSlots(decision.charges)) throw new Error('A call would touch several slots: a mistake in RedisStorage.');
    const { subject } = decision.charges[0]!;
    const slot = slotOf(subject);
    let batcher = this.batchers.get(slot);
    if (batcher === undefined) {
      const { keyOf, denials, deadlineMs, send } = this.surroundings;
      const breakerOf = () => this.breakers.of(slot, subject);
      const onIdle = () => void this.batchers.delete(slot);
      batcher = new Batcher({ keyOf, denials, breakerOf, deadlineMs, askAlone: this.askAlone }, send, onIdle);
      this.batchers.set(slot, batcher);
    }
    batcher.add(decision);
  }

  flush(): void {
    for (const batcher of this.batchers.values()) batcher.flush();
  }

  breakerOf({ subject }: Bucket): Breaker {
    return this.breakers.of(slotOf(subject), subject);
  }

  unable(reason: string): void {
    this.breakers.of(slotOf(ANY_SUBJECT), ANY_SUBJECT).open(reason);
  }

  reset(): void {
    this.breakers.reset();
  }

  stop(): void {
    this.breakers.stop();
  }

  /**
   * While a slot moves, its keys are on two nodes, and neither runs a script about several of them. They say so before
   * they run anything. Each key by itself is somewhere.
   */
  private readonly askAlone = (decisions: readonly Decision[], error: unknown): boolean => {
    if (!isRedirection(error)) return false;
    for (const decision of decisions) {
      if (decision.charges.length === 1) this.send(decision);
      else this.askKeyByKey(decision);
    }
    return true;
  };

  private askKeyByKey(decision: Decision): void {
    const groups = decision.charges.map((charge) => [charge]);
    const asker = { ...this.surroundings.asker, consume: this.consumeOne };
    const settle = decision.settle.bind(decision);
    const grouped = new GroupedDecision(decision.charges, groups, asker, settle, (cause) => decision.break(cause));
    grouped.isWanted = () => decision.isAwaited;
    void grouped.run();
  }

  private readonly consumeOne: GroupAsker['consume'] = (group: Group) =>
    new Promise((resolve, reject) => {
      const decision = new Decision(group, resolve, reject);
      this.surroundings.deadline.watch(decision);
      this.send(decision);
    });

  /** In a call of its own. */
  private send(decision: Decision): void {
    const { keyOf, denials, deadlineMs, send } = this.surroundings;
    const breakerOf = () => this.breakerOf(decision.charges[0]!);
    const batch = new Batch({ keyOf, denials, breakerOf, deadlineMs }, () => {});
    batch.add(decision);
    send(batch);
  }
}
