import type { Policy } from '../../core/policy.js';

/** The buckets of one policy id: from subject to slot. */
export class BucketTable {
  readonly slots = new Map<string, number>();
  /** The longest interval that a policy of this id refills in; a bucket counts as full only when it is for all of them. */
  intervalMicros = 0;

  constructor(readonly policyId: string) {}
}

/** The tables that hold at least one bucket: policies made for one subject must not leave anything behind. */
export class BucketTables {
  private readonly byPolicyId = new Map<string, BucketTable>();
  // Most requests ask for the policy that the one before asked for; comparing it spares a look-up by text.
  private latestPolicy: Policy | undefined;
  private latest: BucketTable | undefined;

  get size(): number {
    return this.byPolicyId.size;
  }

  find(policy: Policy): BucketTable | undefined {
    return policy === this.latestPolicy ? this.latest : this.findById(policy);
  }

  private findById(policy: Policy): BucketTable | undefined {
    const table = this.byPolicyId.get(policy.id);
    if (table === undefined) return undefined;
    if (table.intervalMicros < policy.intervalMicros) table.intervalMicros = policy.intervalMicros;
    this.latestPolicy = policy;
    this.latest = table;
    return table;
  }

  findOrAdd(policy: Policy): BucketTable {
    if (!this.byPolicyId.has(policy.id)) this.byPolicyId.set(policy.id, new BucketTable(policy.id));
    return this.find(policy)!;
  }

  dropIfEmpty(table: BucketTable): void {
    if (table.slots.size > 0) return;
    this.byPolicyId.delete(table.policyId);
    this.latestPolicy = undefined;
    this.latest = undefined;
  }
}
