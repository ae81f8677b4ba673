import { costUnits } from '../../core/algorithms/token-bucket.js';
import type { Bucket, Charge } from '../../core/charge.js';
import { StorageFailureError } from '../../core/errors.js';
import { RateLimitStorage, type StorageReply } from '../../core/storage.js';
import { Connection, type Send } from './connection.js';
import { Deadline } from './deadline.js';
import { bucketKey } from './key.js';
import { QuestionFor } from './question.js';
import { checkedRedisOptions, type CheckedRedisOptions, type RedisStorageOptions } from './redis.options.js';
import { toStorageReply } from './reply.js';
import { CONSUME, PEEK, REFUND, type Script } from './scripts.js';

/**
 * Keeps buckets in Redis 6.2 or later (or what is compatible with it), for any number of processes. A decision is one
 * round trip to one script and is charged at most once; the time is that of the server alone. Every question ends
 * within its deadline, with an answer, a StorageTimeoutError or another StorageFailureError.
 */
export class RedisStorage extends RateLimitStorage {
  private readonly options: CheckedRedisOptions;
  private readonly deadline: Deadline;
  private connection: Connection | undefined;
  private opens = 0;
  private isClosed = false;

  /** Connects to nothing. @throws RateLimitConfigurationError */
  constructor(options: RedisStorageOptions) {
    super();
    this.options = checkedRedisOptions(options);
    this.deadline = new Deadline(this.options.deadlineMs);
  }

  override consume(charges: readonly Charge[]): Promise<StorageReply> {
    return this.decide(CONSUME, charges);
  }

  override peek(charges: readonly Charge[]): Promise<StorageReply> {
    return this.decide(PEEK, charges);
  }

  override async refund(charges: readonly Charge[], thenMicros: number): Promise<void> {
    const input = this.keysOf(charges);
    input.push(String(thenMicros));
    pushArguments(input, charges);
    await this.ask(ignore, (client, question) => REFUND.put(client, charges.length, input, question));
  }

  override async reset(buckets: readonly Bucket[]): Promise<void> {
    if (buckets.length === 0) return;
    const keys = this.keysOf(buckets);
    await this.ask(ignore, (client, question) => void client.del(...keys).then(question.answer, question.fail));
  }

  /**
   * Connects; when the server cannot be reached within about a second, says so in the log and goes on connecting in
   * the background. A question that comes before it opens the storage, too.
   * @throws RateLimitConfigurationError when the server refuses the user, or cannot run the scripts.
   */
  override async open(): Promise<void> {
    this.opens++;
    this.isClosed = false;
    this.connection ??= new Connection(this.options);
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
    const { connection } = this;
    this.connection = undefined;
    this.isClosed = true;
    await connection?.close();
  }

  private decide(script: Script, charges: readonly Charge[]): Promise<StorageReply> {
    const input = this.keysOf(charges);
    pushArguments(input, charges);
    return this.ask(
      (raw) => toStorageReply(raw, charges.length),
      (client, question) => script.put(client, charges.length, input, question),
    );
  }

  /** Sends one question and reads the answer; whatever goes wrong is a StorageFailureError, within the deadline. */
  private ask<T>(read: (raw: unknown) => T, send: Send): Promise<T> {
    return new Promise((resolve, reject) => {
      const question = new QuestionFor(read, resolve, reject);
      this.deadline.watch(question);
      const connection = this.connection ?? this.openByQuestion();
      if (!connection.isOpening) connection.put(question, send);
      else connection.opened.then(() => connection.put(question, send)).catch(question.fail);
    });
  }

  private openByQuestion(): Connection {
    if (this.isClosed) throw new StorageFailureError('The Redis storage is closed; open it again before asking it.');
    this.connection = new Connection(this.options);
    return this.connection;
  }

  private keysOf(buckets: readonly Bucket[]): string[] {
    return buckets.map((bucket) => bucketKey(this.options.prefix, bucket));
  }
}

/** Adds the four integers per charge that the scripts expect, in the order of the charges. */
function pushArguments(input: string[], charges: readonly Charge[]): void {
  for (const { policy, cost } of charges) {
    input.push(
      String(costUnits(policy, cost)),
      String(policy.capacityUnits),
      String(policy.refillTokens),
      String(policy.intervalMicros),
    );
  }
}

function ignore(): void {}
