import type { Policy } from '../../core/policy.js';

/** The buckets of one id of a policy's state: from subject to slot. */
export class BucketTable {
  readonly slots = new Map<string, number>();
  /** The longest interval that a policy of this id refills in; a bucket counts as full only when it is for all of them. */
  intervalMicros = 0;

  constructor(readonly stateId: string) {}
}

/** The tables that hold at least one bucket: policies made for one subject must not leave anything behind. */
export class BucketTables {
  private readonly byStateId = new Map<string, BucketTable>();
  // Most requests ask for the policy that the one before asked for; comparing it spares a look-up by text.
  private latestPolicy: Policy | undefined;
  private latest: BucketTable | undefined;

  get size(): number {
    return this.byStateId.size;
  }

  find(policy: Policy): BucketTable | undefined {
    return policy === this.latestPolicy ? this.latest : this.findById(policy);
  }

  private findById(policy: Policy): BucketTable | undefined {
    const table = this.byStateId.get(policy.stateId);
    if (table === undefined) return undefined;
    if (table.intervalMicros < policy.intervalMicros) table.intervalMicros = policy.intervalMicros;
    this.latestPolicy = policy;
    this.latest = table;
    return table;
  }

  findOrAdd(policy: Policy): BucketTable {
    if (!this.byStateId.has(policy.stateId)) this.byStateId.set(policy.stateId, new BucketTable(policy.stateId));
    return this.find(policy)!;
  }

  dropIfEmpty(table: BucketTable): void {
    if (table.slots.size > 0) return;
    this.byStateId.delete(table.stateId);
    this.latestPolicy = undefined;
    this.latest = undefined;
  }
}
