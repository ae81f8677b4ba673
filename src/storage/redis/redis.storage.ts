import type { Bucket, Charge } from '../../core/charge.js';
import { StorageFailureError } from '../../core/errors.js';
import type { OverrideStore } from '../../core/overrides/override-store.js';
import { type MaybePromise, type Owed, RateLimitStorage, type StorageReply } from '../../core/storage.js';
import { Availability } from './availability.js';
import { Decision } from './batch.js';
import { nodeOf, refreshSlots } from './cluster-client.js';
import { Connection, type Send } from './connection.js';
import { Deadline } from './deadline.js';
import { DenyCache } from './deny-cache.js';
import { notAsked } from './failures.js';
import { GroupDecisions } from './group-decisions.js';
import { type GroupAsker, spansSlots } from './groups.js';
import { bucketKey } from './key.js';
import { Lane, type Lanes, type LaneSurroundings } from './lane.js';
import { Questions } from './questions.js';
import { LoneQuestion, type Sent } from './question.js';
import { RedisOverrides } from './redis-overrides.js';
import { checkedRedisOptions, type CheckedRedisOptions, type RedisStorageOptions } from './redis.options.js';
import { SlotLanes } from './slot-lanes.js';

/**
 * Keeps buckets in Redis 6.2 or later (or what is compatible with it), for any number of processes. A decision is one
 * round trip to one script and is charged at most once; the time is that of the server alone. Every question ends
 * within its deadline, with an answer, a StorageTimeoutError or another StorageFailureError. In a cluster that holds for
 * the charges of each slot, and so of each subject; other questions than decisions are one per bucket there.
 */
export class RedisStorage extends RateLimitStorage {
  private readonly options: CheckedRedisOptions;
  private readonly deadline: Deadline;
  private readonly denials: DenyCache | undefined;
  private readonly availability: Availability;
  private readonly lanes: Lanes;
  private readonly isCluster: boolean;
  private readonly groupDecisions: GroupDecisions;
  private readonly questions: Questions;
  private readonly overrides: RedisOverrides;
  private connection: Connection | undefined;
  private opens = 0;
  private isClosed = false;

  /** Connects to nothing. @throws RateLimitConfigurationError */
  constructor(options: RedisStorageOptions) {
    super();
    this.options = checkedRedisOptions(options);
    this.deadline = new Deadline(this.options.deadlineMs);
    this.denials = this.options.denyCache ? new DenyCache() : undefined;
    this.availability = new Availability(this.options.logger, this.options.onAvailability);
    this.isCluster = this.options.client.isCluster === true;
    const keyOf = (bucket: Bucket): string => bucketKey(this.options.prefix, bucket);
    const groupAsker: GroupAsker = {
      consume: (group) => this.denials?.replyTo(group) ?? this.decide(group),
      peek: (charges) => this.peek(charges),
      giveBack: (group, thenMicros) => void this.refund(group, thenMicros).catch(ignore),
    };
    const surroundings: LaneSurroundings = {
      keyOf,
      denials: this.denials,
      availability: this.availability,
      deadlineMs: this.options.deadlineMs,
      send: (batch) => this.put(batch, (client, sent) => batch.script.put(client, batch.message, sent)),
      probe: (subject) =>
        this.ask(ignore, (_, sent) => void this.connection?.probe(subject).then(sent.answer, sent.fail)),
    };
    this.lanes = this.isCluster
      ? new SlotLanes({
          ...surroundings,
          nodeOf: (slot) => nodeOf(this.connection?.client, slot),
          refreshSlots: () => refreshSlots(this.connection?.client),
          deadline: this.deadline,
          asker: groupAsker,
        })
      : new Lane(surroundings);
    this.groupDecisions = new GroupDecisions(groupAsker, this.denials, this.deadline, (charge) =>
      this.lanes.breakerOf(charge),
    );
    const { isCluster, denials, lanes } = this;
    this.questions = new Questions({ isCluster, keyOf, denials, lanes, ask: (read, send) => this.ask(read, send) });
    this.overrides = new RedisOverrides({
      prefix: this.options.prefix,
      lanes,
      ask: (read, send) => this.ask(read, send),
    });
  }

  override get overrideStore(): OverrideStore {
    return this.overrides;
  }

  override consume(charges: readonly Charge[]): MaybePromise<StorageReply> {
    if (this.isCluster && spansSlots(charges)) return this.groupDecisions.decide(charges);
    return this.denials?.replyTo(charges) ?? this.decide(charges);
  }

  private decide(charges: readonly Charge[]): Promise<StorageReply> {
    const { isOpen, reason } = this.lanes.breakerOf(charges[0]!);
    if (isOpen) return Promise.reject(notAsked(reason));
    return new Promise((resolve, reject) => {
      const decision = new Decision(charges, resolve, reject);
      this.deadline.watch(decision);
      this.lanes.add(decision);
    });
  }

  override peek(charges: readonly Charge[]): Promise<StorageReply> {
    return this.questions.peek(charges);
  }

  override refund(charges: readonly Charge[], thenMicros: number): Promise<void> {
    return this.questions.refund(charges, thenMicros);
  }

  override grant(charges: readonly Charge[]): Promise<void> {
    return this.questions.grant(charges);
  }

  override cancel(charge: Charge, reply: StorageReply): Promise<boolean> {
    return this.questions.cancel(charge, reply);
  }

  override reset(buckets: readonly Bucket[]): Promise<void> {
    return this.questions.reset(buckets);
  }

  override owe(debts: readonly Owed[]): Promise<void> {
    return this.questions.owe(debts);
  }

  override get isAvailable(): boolean {
    return !this.isClosed && this.availability.isUp;
  }

  /**
   * Connects; when the server cannot be reached within about a second, says so in the log and goes on connecting in
   * the background. A question that comes before it opens the storage, too.
   * @throws RateLimitConfigurationError when the server refuses the user, or cannot run the scripts.
   */
  override async open(): Promise<void> {
    this.opens++;
    this.isClosed = false;
    this.connection ??= this.connect();
    try {
      await this.connection.opened;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  override async close(): Promise<void> {
    if (this.opens > 0) this.opens--;
    if (this.opens > 0) return;
    // What was asked before is still answered.
    this.lanes.flush();
    const { connection } = this;
    this.connection = undefined;
    this.isClosed = true;
    this.denials?.clear();
    this.lanes.stop();
    this.availability.clear();
    await connection?.close();
  }

  /** Sends one question and reads the answer; whatever goes wrong is a StorageFailureError, within the deadline. */
  private ask<T>(read: (raw: unknown) => T, send: Send): Promise<T> {
    return new Promise((resolve, reject) => {
      const question = new LoneQuestion(read, resolve, reject);
      this.deadline.watch(question);
      // What was asked before is answered before.
      this.lanes.flush();
      this.put(question, send);
    });
  }

  private put(sent: Sent, send: Send): void {
    try {
      const connection = this.connection ?? this.openByQuestion();
      if (!connection.isOpening) connection.put(sent, send);
      else connection.opened.then(() => connection.put(sent, send)).catch(sent.fail);
    } catch (error) {
      sent.fail(error);
    }
  }

  private openByQuestion(): Connection {
    if (this.isClosed)
      throw new StorageFailureError('The Redis storage is closed; open it again before asking it.', {
        isUncharged: true,
      });
    this.connection = this.connect();
    return this.connection;
  }

  private connect(): Connection {
    this.lanes.reset();
    return new Connection(this.options, {
      lost: (reason, message) => this.availability.lost('connection', reason, message),
      unable: (reason) => this.lanes.unable(reason),
      able: () => this.lanes.reset(),
      ready: () => this.availability.regained('connection'),
    });
  }
}

function ignore(): void {}
