import { RateLimitConfigurationError } from '../errors.js';
import type { Policy } from '../policy.js';
import { overriddenPolicy } from './overridden-policy.js';
import { type BlockRecord, type LimitRecord, type OverrideRecord, readOverride } from './override-text.js';
import type { OverrideEntry } from './override-store.js';

/** Something that was decided at run time, and when it ends: integer µs of the storage's time; 0: never. */
export interface Kept<R extends OverrideRecord = OverrideRecord> {
  readonly record: R;
  readonly untilMicros: number;
}

/** A limit with other numbers, made for the policy that a charge names. */
export class LimitOverride implements Kept<LimitRecord> {
  private latest: Policy | undefined;
  private made: Policy | undefined;

  constructor(
    readonly record: LimitRecord,
    readonly untilMicros: number,
    private readonly warn: (message: string) => void,
  ) {}

  /** With the numbers of the override; as it is where it cannot have them, since it may be another one than was asked about. */
  policyFor(policy: Policy): Policy {
    // One process has one policy of an id, but for those that are made for each request.
    if (policy === this.latest) return this.made!;
    this.made = this.make(policy);
    this.latest = policy;
    return this.made;
  }

  private make(policy: Policy): Policy {
    try {
      return overriddenPolicy(policy, this.record.numbers, 'an override');
    } catch (error) {
      if (!(error instanceof RateLimitConfigurationError)) throw error;
      this.warn(`An override is ignored, and the limit stays as it is declared. ${error.message}`);
      return policy;
    }
  }
}

/** What one subject has of its own. */
export interface OfSubject {
  block: Kept<BlockRecord> | undefined;
  readonly limits: Map<string, LimitOverride>;
}

/** All that was decided at run time, found by subject. Maps, because subjects and policies are any text. */
export class OverrideIndex {
  readonly bySubject = new Map<string, OfSubject>();
  /** Of every subject, by the policy's id. */
  readonly ofEvery = new Map<string, LimitOverride>();
  private readonly byKey = new Map<string, Kept>();

  constructor(private readonly warn: (message: string) => void) {}

  get size(): number {
    return this.byKey.size;
  }

  get all(): Iterable<Kept> {
    return this.byKey.values();
  }

  /** Takes over what a storage tells; what it cannot mean is left out. */
  put({ key, value, untilMicros }: OverrideEntry): void {
    this.remove(key);
    if (value === '') return;
    const record = readOverride(key, value);
    if (record === undefined) this.warn(`The override ${JSON.stringify(key)} cannot be read and is ignored.`);
    else this.add(key, record, untilMicros);
  }

  private add(key: string, record: OverrideRecord, untilMicros: number): void {
    if (record.kind === 'block') {
      const kept = { record, untilMicros };
      this.byKey.set(key, kept);
      this.ofSubject(record.subject).block = kept;
      return;
    }
    const override = new LimitOverride(record, untilMicros, this.warn);
    this.byKey.set(key, override);
    const { subject, policy } = record;
    const limits = subject === undefined ? this.ofEvery : this.ofSubject(subject).limits;
    limits.set(policy, override);
  }

  private ofSubject(subject: string): OfSubject {
    let found = this.bySubject.get(subject);
    if (found === undefined) this.bySubject.set(subject, (found = { block: undefined, limits: new Map() }));
    return found;
  }

  private remove(key: string): void {
    const record = this.byKey.get(key)?.record;
    if (record === undefined) return;
    this.byKey.delete(key);
    if (record.kind === 'limit' && record.subject === undefined) {
      this.ofEvery.delete(record.policy);
      return;
    }
    const found = this.bySubject.get(record.subject!)!;
    if (record.kind === 'block') found.block = undefined;
    else found.limits.delete(record.policy);
    if (found.block === undefined && found.limits.size === 0) this.bySubject.delete(record.subject!);
  }
}
