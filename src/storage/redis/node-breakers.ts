import { Breaker } from './breaker.js';

/** Probes of a node find out who its successor is, so they are never far apart. */
const LONGEST_PAUSE_MS = 500;
/** No cluster has as many at a time. */
const MAX_NODES = 1000;

export interface NodeBreakersSurroundings {
  /** The address of the node that has the slot, as far as is known here. */
  readonly nodeOf: (slot: number) => string | undefined;
  /** Asks the node that keeps the subject something that takes nothing. */
  readonly probe: (subject: string) => Promise<unknown>;
  readonly onChange: (node: string, isOpen: boolean, reason: string) => void;
}

interface Entry {
  readonly breaker: Breaker;
  /** A subject that the node kept when it was asked last: where to find it, or whoever has taken its place. */
  subject: string;
}

/** A breaker per node of a cluster: where one has stopped answering, the subjects of the others are limited as ever. */
export class NodeBreakers {
  private readonly byNode = new Map<string, Entry>();

  constructor(private readonly surroundings: NodeBreakersSurroundings) {}

  of(slot: number, subject: string): Breaker {
    const node = this.surroundings.nodeOf(slot) ?? 'that has the slot';
    let entry = this.byNode.get(node);
    if (entry === undefined) {
      if (this.byNode.size >= MAX_NODES) this.dropClosed();
      entry = this.newEntry(node, subject);
      this.byNode.set(node, entry);
    }
    entry.subject = subject;
    return entry.breaker;
  }

  stop(): void {
    for (const { breaker } of this.byNode.values()) breaker.stop();
    this.byNode.clear();
  }

  reset(): void {
    for (const [node, { breaker }] of this.byNode) {
      if (breaker.isOpen) this.surroundings.onChange(node, false, '');
      breaker.reset();
    }
    this.byNode.clear();
  }

  /** Nodes come and go, and each has an address of its own. Those that are still there are counted anew. */
  private dropClosed(): void {
    for (const [node, { breaker }] of this.byNode) if (!breaker.isOpen) this.byNode.delete(node);
  }

  private newEntry(node: string, subject: string): Entry {
    const { probe, onChange } = this.surroundings;
    const entry: Entry = {
      subject,
      breaker: new Breaker({
        probe: () => probe(entry.subject),
        onChange: (isOpen, reason) => onChange(node, isOpen, reason),
        longestPauseMs: LONGEST_PAUSE_MS,
      }),
    };
    return entry;
  }
}
