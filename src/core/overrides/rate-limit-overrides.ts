import type { Decision } from '../decision.js';
import { describeValue, InvalidChargeError, misconfigured } from '../errors.js';
import type { Policy } from '../policy.js';
import type { RateLimiter } from '../rate-limiter.js';
import { SystemTimers } from '../timers.js';
import { checkedLifetimeMicros, checkedSubject } from './override-checks.js';
import { TooManyOverridesError } from './override-errors.js';
import { listBlocks, listOverrides } from './override-list.js';
import { OverrideReader } from './override-reader.js';
import { blockRecord, limitKey, limitRecord } from './override-records.js';
import { MAX_OVERRIDES } from './override-store.js';
import { overrideKey, type OverrideRecord, overrideText } from './override-text.js';
import type {
  OverriddenSubject,
  OverrideDefinition,
  OverrideOptions,
  RateLimitOverride,
  SubjectBlock,
} from './override.js';
import type { Overrides } from './overrides.js';
import { checkedRefreshSeconds, type OverridesOptions, type OverridesSurroundings } from './overrides-options.js';

const WHERE = 'RateLimitOverrides';

/**
 * Limits that are changed, and subjects that are blocked, while applications run. Both are kept in the storage, and
 * every process that shares it follows within `refreshSeconds` and the deadline of the storage; this one at once.
 */
export class RateLimitOverrides {
  private readonly overrides: Overrides | undefined;
  private readonly reader: OverrideReader | undefined;
  private readonly checkSubject: NonNullable<OverridesSurroundings['checkSubject']>;

  /** @throws RateLimitConfigurationError */
  constructor(
    private readonly limiter: RateLimiter,
    options: OverridesOptions = {},
    { timers = new SystemTimers(), warn = () => {}, checkSubject = () => {} }: OverridesSurroundings = {},
  ) {
    this.checkSubject = checkSubject;
    const refreshMs = checkedRefreshSeconds(options, `new ${WHERE}`) * 1000;
    this.overrides = limiter.overrides;
    this.reader = this.overrides && new OverrideReader(this.overrides, { timers, refreshMs, warn });
  }

  /**
   * Gives a subject other numbers for a policy, in place of an earlier override. They count at once, for what its bucket
   * owes already, too.
   * @param policy the name of a shared policy, the id of one with a place, or a Policy
   * @param subject as limits spell it, such as `user:42`; at most 1024 characters; or EVERY_SUBJECT
   * @throws InvalidOverrideError · InvalidChargeError for an unknown policy · TooManyOverridesError (nothing was changed)
   * · StorageFailureError (it is unknown whether it was)
   */
  async set(policy: Policy | string, subject: OverriddenSubject, definition: OverrideDefinition): Promise<void> {
    const where = `${WHERE}.set`;
    this.checkOn(where);
    const record = limitRecord(this.policyOf(policy), subject, definition, where);
    this.checkSpelling(subject, where);
    await this.write(record, checkedLifetimeMicros(definition, where), where);
  }

  /**
   * Has the declared numbers count again. Answers whether there was an override. Takes what {@link list} says, even of a
   * policy that is no longer declared.
   * @throws as {@link set}
   */
  async remove(policy: Policy | string, subject: OverriddenSubject): Promise<boolean> {
    const where = `${WHERE}.remove`;
    const declared = typeof policy === 'string' ? this.limiter.findPolicy(policy) : this.policyOf(policy);
    const id = declared?.id ?? (policy as string);
    const wasThere = await this.removeKey(overrideKey(limitKey(id, subject, where)), where);
    if (!wasThere) this.policyOf(policy);
    return wasThere;
  }

  /** The limits that are changed now, by the storage. @throws StorageFailureError */
  async list(): Promise<readonly RateLimitOverride[]> {
    return listOverrides(await this.read(`${WHERE}.list`));
  }

  /**
   * Refuses a subject from now on, wherever a limit asks about it, without charging it and without asking the storage.
   * @param subject as limits spell it, such as `user:42`; at most 1024 characters
   * @throws InvalidOverrideError · TooManyOverridesError (nothing was changed) · StorageFailureError
   */
  async block(subject: string, options: OverrideOptions = {}): Promise<void> {
    const where = `${WHERE}.block`;
    this.checkOn(where);
    const record = blockRecord(subject, options, where);
    this.checkSpelling(subject, where);
    await this.write(record, checkedLifetimeMicros(options, where), where);
  }

  /** Answers whether the subject was blocked. @throws as {@link block} */
  async unblock(subject: string): Promise<boolean> {
    const where = `${WHERE}.unblock`;
    return this.removeKey(overrideKey({ kind: 'block', subject: checkedSubject(subject, where) }), where);
  }

  /** The subjects that are blocked now, by the storage. @throws StorageFailureError */
  async blocked(): Promise<readonly SubjectBlock[]> {
    return listBlocks(await this.read(`${WHERE}.blocked`));
  }

  /** How a bucket stands, as {@link RateLimiter.peek}. */
  async peek(policy: Policy | string, subject: string): Promise<Decision> {
    this.checkSpelling(subject, `${WHERE}.peek`);
    return this.limiter.peek({ policy, subject });
  }

  /** Makes a bucket full, as {@link RateLimiter.reset}. */
  async reset(policy: Policy | string, subject: string): Promise<void> {
    this.checkSpelling(subject, `${WHERE}.reset`);
    await this.limiter.reset({ policy, subject });
  }

  /** Gives tokens to a bucket until it is full, as {@link RateLimiter.grant}. */
  async grant(policy: Policy | string, subject: string, tokens: number): Promise<void> {
    this.checkSpelling(subject, `${WHERE}.grant`);
    await this.limiter.grant({ policy, subject }, tokens);
  }

  /** Learns now of what others have changed. @throws StorageFailureError: what was known stays in force */
  async refresh(): Promise<void> {
    await this.reader?.refresh();
  }

  /** Follows the storage from now on. Nothing keeps the process alive for it. Called by the module. */
  async open(): Promise<void> {
    await this.reader?.open();
  }

  /** Follows it no longer. Called by the module. */
  close(): void {
    this.reader?.close();
  }

  private policyOf(policy: Policy | string): Policy {
    if (typeof policy === 'string') return this.limiter.policyNamed(policy);
    if ((policy as Policy | undefined | null)?.capacityUnits !== undefined) return policy;
    throw new InvalidChargeError(
      `The policy is ${describeValue(policy)}; expected a Policy, or the name of a declared one.`,
    );
  }

  /** Of a text; EVERY_SUBJECT has no spelling, and what is neither is told of by whoever uses it. */
  private checkSpelling(subject: unknown, where: string): void {
    if (typeof subject === 'string') this.checkSubject(subject, where);
  }

  private checkOn(where: string): Overrides {
    return (
      this.overrides ??
      misconfigured(
        where,
        'nothing can be overridden',
        'say overrides: true in RateLimitModule.forRoot, or as an option of new RateLimiter',
      )
    );
  }

  private async write(record: OverrideRecord, lifetimeMicros: number, where: string): Promise<void> {
    const { store } = this.checkOn(where);
    if (!(await store.write(overrideKey(record), overrideText(record), lifetimeMicros))) {
      throw new TooManyOverridesError(
        `${where}: ${MAX_OVERRIDES} overrides and blocks are kept already. Remedy: remove some, or let them expire.`,
      );
    }
    await this.follow();
  }

  private async removeKey(key: string, where: string): Promise<boolean> {
    const wasThere = await this.checkOn(where).store.remove(key);
    await this.follow();
    return wasThere;
  }

  /** What was written is kept; if it cannot be read just now, it will be like what others have written. */
  private async follow(): Promise<void> {
    await this.reader?.refresh().catch(() => {});
  }

  private async read(where: string): Promise<Overrides> {
    const overrides = this.checkOn(where);
    await this.refresh();
    return overrides;
  }
}
