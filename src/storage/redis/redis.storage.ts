import type { Bucket, Charge } from '../../core/charge.js';
import { StorageFailureError } from '../../core/errors.js';
import { type MaybePromise, type Owed, RateLimitStorage, type StorageReply } from '../../core/storage.js';
import { Availability } from './availability.js';
import { Batcher } from './batcher.js';
import { chargeText, Decision } from './batch.js';
import { Breaker } from './breaker.js';
import { Connection, type Send } from './connection.js';
import { Deadline } from './deadline.js';
import { DenyCache } from './deny-cache.js';
import { bucketKey } from './key.js';
import { LoneQuestion, type Sent } from './question.js';
import { checkedRedisOptions, type CheckedRedisOptions, type RedisStorageOptions } from './redis.options.js';
import { toStorageReply } from './reply.js';
import { CONSUME, type Message, OWE, PEEK, REFUND } from './scripts.js';

/**
 * Keeps buckets in Redis 6.2 or later (or what is compatible with it), for any number of processes. A decision is one
 * round trip to one script and is charged at most once; the time is that of the server alone. Every question ends
 * within its deadline, with an answer, a StorageTimeoutError or another StorageFailureError.
 */
export class RedisStorage extends RateLimitStorage {
  private readonly options: CheckedRedisOptions;
  private readonly deadline: Deadline;
  private readonly denials: DenyCache | undefined;
  private readonly availability: Availability;
  private readonly breaker: Breaker;
  private readonly batcher: Batcher;
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
    this.breaker = new Breaker({
      probe: () => this.ask(ignore, (_, sent) => void this.connection?.probe().then(sent.answer, sent.fail)),
      onChange: (isOpen, reason) =>
        isOpen ? this.availability.lost('answers', reason) : this.availability.regained('answers'),
    });
    this.batcher = new Batcher(
      {
        keyOf: (charge) => bucketKey(this.options.prefix, charge),
        denials: this.denials,
        breaker: this.breaker,
      },
      (batch) => this.put(batch, (client, sent) => CONSUME.put(client, batch.message, sent)),
    );
  }

  override consume(charges: readonly Charge[]): MaybePromise<StorageReply> {
    return this.denials?.replyTo(charges) ?? this.decide(charges);
  }

  private decide(charges: readonly Charge[]): Promise<StorageReply> {
    if (this.breaker.isOpen) return Promise.reject(this.notAsked());
    return new Promise((resolve, reject) => {
      const decision = new Decision(charges, resolve, reject);
      this.deadline.watch(decision);
      this.batcher.add(decision);
    });
  }

  override get isAvailable(): boolean {
    return !this.isClosed && this.availability.isUp;
  }

  override async owe(debts: readonly Owed[]): Promise<void> {
    this.refuseWhileOpen();
    this.denials?.forget(debts);
    const keys = this.keysOf(debts);
    const input = [...keys];
    for (const { policy, debtUnits } of debts) {
      input.push(
        String(debtUnits),
        String(policy.capacityUnits),
        String(policy.refillTokens),
        String(policy.intervalMicros),
      );
    }
    await this.ask(ignore, (client, sent) => OWE.put(client, () => ({ keyCount: keys.length, input }), sent));
  }

  override async peek(charges: readonly Charge[]): Promise<StorageReply> {
    this.refuseWhileOpen();
    const message = this.messageOf(charges);
    return this.ask(
      (raw) => toStorageReply(raw, charges.length),
      (client, sent) => PEEK.put(client, message, sent),
    );
  }

  override async refund(charges: readonly Charge[], thenMicros: number): Promise<void> {
    this.refuseWhileOpen();
    this.denials?.forget(charges);
    const message = this.messageOf(charges, String(thenMicros));
    await this.ask(ignore, (client, sent) => REFUND.put(client, message, sent));
  }

  override async reset(buckets: readonly Bucket[]): Promise<void> {
    if (buckets.length === 0) return;
    this.refuseWhileOpen();
    this.denials?.forget(buckets);
    const keys = this.keysOf(buckets);
    await this.ask(ignore, (client, sent) => void client.del(...keys).then(sent.answer, sent.fail));
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
    this.batcher.flush();
    const { connection } = this;
    this.connection = undefined;
    this.isClosed = true;
    this.denials?.clear();
    this.breaker.reset();
    await connection?.close();
  }

  /** Sends one question and reads the answer; whatever goes wrong is a StorageFailureError, within the deadline. */
  private ask<T>(read: (raw: unknown) => T, send: Send): Promise<T> {
    return new Promise((resolve, reject) => {
      const question = new LoneQuestion(read, resolve, reject);
      this.deadline.watch(question);
      // What was asked before is answered before.
      this.batcher.flush();
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
    return new Connection(this.options, {
      lost: (reason, message) => this.availability.lost('connection', reason, message),
      unable: (reason) => this.breaker.open(reason),
      ready: () => {
        // What went wrong went wrong on another connection.
        this.breaker.reset();
        this.availability.regained('answers');
        this.availability.regained('connection');
      },
    });
  }

  private refuseWhileOpen(): void {
    if (this.breaker.isOpen) throw this.notAsked();
  }

  private notAsked(): StorageFailureError {
    const message = `Redis is not asked, because it stopped answering: ${this.breaker.reason}`;
    return new StorageFailureError(message, { isUncharged: true });
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

function ignore(): void {}
