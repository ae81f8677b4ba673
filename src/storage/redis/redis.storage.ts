import type { Bucket, Charge } from '../../core/charge.js';
import { StorageFailureError } from '../../core/errors.js';
import { type MaybePromise, type Owed, RateLimitStorage, type StorageReply } from '../../core/storage.js';
import { Availability } from './availability.js';
import { chargeText, Decision, unitsText } from './batch.js';
import type { Breaker } from './breaker.js';
import { nodeOf } from './cluster-client.js';
import { Connection, type Send } from './connection.js';
import { Deadline } from './deadline.js';
import { DenyCache } from './deny-cache.js';
import { bySlot, type GroupAsker, GroupedDecision, peekEach, spansSlots } from './groups.js';
import { bucketKey } from './key.js';
import { Lane, type Lanes, type LaneSurroundings } from './lane.js';
import { LoneQuestion, type Sent } from './question.js';
import { checkedRedisOptions, type CheckedRedisOptions, type RedisStorageOptions } from './redis.options.js';
import { toStorageReply } from './reply.js';
import { CONSUME, type Message, OWE, PEEK, REFUND } from './scripts.js';
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
    const surroundings: LaneSurroundings = {
      keyOf: (bucket) => bucketKey(this.options.prefix, bucket),
      denials: this.denials,
      availability: this.availability,
      deadlineMs: this.options.deadlineMs,
      send: (batch) => this.put(batch, (client, sent) => CONSUME.put(client, batch.message, sent)),
      probe: (subject) =>
        this.ask(ignore, (_, sent) => void this.connection?.probe(subject).then(sent.answer, sent.fail)),
    };
    this.lanes = this.isCluster ? this.slotLanes(surroundings) : new Lane(surroundings);
  }

  private slotLanes(surroundings: LaneSurroundings): SlotLanes {
    return new SlotLanes({
      ...surroundings,
      nodeOf: (slot) => nodeOf(this.connection?.client, slot),
      deadline: this.deadline,
      asker: this.groupAsker,
    });
  }

  override consume(charges: readonly Charge[]): MaybePromise<StorageReply> {
    if (this.isCluster && spansSlots(charges)) return this.decideInGroups(charges);
    return this.denials?.replyTo(charges) ?? this.decide(charges);
  }

  private decide(charges: readonly Charge[]): Promise<StorageReply> {
    const breaker = this.lanes.breakerOf(charges[0]!);
    if (breaker.isOpen) return Promise.reject(notAsked(breaker));
    return new Promise((resolve, reject) => {
      const decision = new Decision(charges, resolve, reject);
      this.deadline.watch(decision);
      this.lanes.add(decision);
    });
  }

  private decideInGroups(charges: readonly Charge[]): Promise<StorageReply> {
    return new Promise((resolve, reject) => {
      const groups = bySlot(charges);
      // What is known to be denied is denied first, and nothing has to be given back.
      const denied = groups.findIndex((group) => this.denials?.replyTo(group) !== undefined);
      if (denied > 0) groups.unshift(...groups.splice(denied, 1));
      const decision = new GroupedDecision(charges, groups, this.groupAsker, resolve, reject);
      this.deadline.watch(decision);
      void decision.run();
    });
  }

  override get isAvailable(): boolean {
    return !this.isClosed && this.availability.isUp;
  }

  override async owe(debts: readonly Owed[]): Promise<void> {
    if (this.isSplit(debts)) return void (await Promise.all(debts.map((debt) => this.owe([debt]))));
    const keys = this.keysOf(debts);
    const input = [...keys];
    for (const { policy, debtUnits } of debts) input.push(...unitsText(policy, debtUnits));
    // Decisions that follow must find it done.
    await this.change(debts, (client, sent) => OWE.putText(client, { keyCount: keys.length, input }, sent));
  }

  override async peek(charges: readonly Charge[]): Promise<StorageReply> {
    if (this.isSplit(charges)) return peekEach(charges, (charge) => this.peek([charge]));
    this.refuseWhileOpen(charges);
    const message = this.messageOf(charges);
    return this.ask(
      (raw) => toStorageReply(raw, charges.length),
      (client, sent) => PEEK.put(client, message, sent),
    );
  }

  override async refund(charges: readonly Charge[], thenMicros: number): Promise<void> {
    if (this.isSplit(charges)) {
      await Promise.all(charges.map((charge) => this.refund([charge], thenMicros)));
      return;
    }
    const message = this.messageOf(charges, String(thenMicros));
    await this.change(charges, (client, sent) => REFUND.put(client, message, sent));
  }

  override async reset(buckets: readonly Bucket[]): Promise<void> {
    if (buckets.length === 0) return;
    if (this.isSplit(buckets)) return void (await Promise.all(buckets.map((bucket) => this.reset([bucket]))));
    const keys = this.keysOf(buckets);
    await this.change(buckets, (client, sent) => void client.del(...keys).then(sent.answer, sent.fail));
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

  /** Sends what changes buckets otherwise than by a decision; denials that do not know of it are not kept. */
  private async change(buckets: readonly Bucket[], send: Send): Promise<void> {
    this.refuseWhileOpen(buckets);
    this.lanes.flush();
    this.denials?.forget(buckets);
    try {
      await this.ask(ignore, send);
    } finally {
      // What was sent before may have been sent anew meanwhile.
      this.denials?.forget(buckets);
    }
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
      ready: () => {
        this.lanes.reset();
        this.availability.regained('connection');
      },
    });
  }

  private refuseWhileOpen([first]: readonly Bucket[]): void {
    if (first === undefined) return;
    const breaker = this.lanes.breakerOf(first);
    if (breaker.isOpen) throw notAsked(breaker);
  }

  /** Whether each bucket is asked by itself, because they may be on several nodes, now or while a slot moves. */
  private isSplit(buckets: readonly Bucket[]): boolean {
    return this.isCluster && buckets.length > 1;
  }

  private get groupAsker(): GroupAsker {
    return {
      consume: (group) => this.denials?.replyTo(group) ?? this.decide(group),
      peek: (charges) => this.peek(charges),
      giveBack: (group, thenMicros) => void this.refund(group, thenMicros).catch(ignore),
    };
  }

  private messageOf(charges: readonly Charge[], ...first: readonly string[]): () => Message {
    const keys = this.keysOf(charges);
    const message = { keyCount: keys.length, input: [...keys, ...first, ...charges.flatMap(chargeText)] };
    return () => message;
  }

  private keysOf(buckets: readonly Bucket[]): string[] {
    return buckets.map((bucket) => bucketKey(this.options.prefix, bucket));
  }
}

function notAsked({ reason }: Breaker): StorageFailureError {
  const message = `Redis is not asked, because it stopped answering: ${reason}`;
  return new StorageFailureError(message, { isUncharged: true });
}

function ignore(): void {}
