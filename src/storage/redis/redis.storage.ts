import { costUnits } from '../../core/algorithms/token-bucket.js';
import type { Bucket, Charge } from '../../core/charge.js';
import { StorageFailureError } from '../../core/errors.js';
import { RateLimitStorage, type StorageReply } from '../../core/storage.js';
import type { RedisClient } from './client.js';
import { Connection } from './connection.js';
import { Deadline } from './deadline.js';
import { toStorageFailure } from './failures.js';
import { bucketKey } from './key.js';
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

  override async consume(charges: readonly Charge[]): Promise<StorageReply> {
    return toStorageReply(await this.run(CONSUME, charges, chargeArguments(charges)), charges.length);
  }

  override async peek(charges: readonly Charge[]): Promise<StorageReply> {
    return toStorageReply(await this.run(PEEK, charges, chargeArguments(charges)), charges.length);
  }

  override async refund(charges: readonly Charge[], thenMicros: number): Promise<void> {
    await this.run(REFUND, charges, [String(thenMicros), ...chargeArguments(charges)]);
  }

  override async reset(buckets: readonly Bucket[]): Promise<void> {
    if (buckets.length === 0) return;
    const keys = this.keysOf(buckets);
    await this.ask((client) => client.del(...keys));
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

  private run(script: Script, buckets: readonly Bucket[], args: readonly string[]): Promise<unknown> {
    const keys = this.keysOf(buckets);
    return this.ask((client, awaited) => script.run(client, keys, args, awaited));
  }

  private async ask(put: (client: RedisClient, awaited: () => boolean) => Promise<unknown>): Promise<unknown> {
    try {
      return await this.deadline.run(async (awaited) => {
        const connection = this.openConnection();
        if (connection.isOpening) await connection.opened;
        const { obstacle } = connection;
        if (obstacle !== undefined) throw obstacle;
        // Nothing is sent once the question has failed: it would be charged to nobody's knowledge.
        return awaited() ? await put(connection.client, awaited) : undefined;
      });
    } catch (error) {
      throw toStorageFailure(error);
    }
  }

  private openConnection(): Connection {
    if (this.isClosed) throw new StorageFailureError('The Redis storage is closed; open it again before asking it.');
    return (this.connection ??= new Connection(this.options));
  }

  private keysOf(buckets: readonly Bucket[]): readonly string[] {
    return buckets.map((bucket) => bucketKey(this.options.prefix, bucket));
  }
}

/** The four integers per charge that the scripts expect, in the order of the charges. */
function chargeArguments(charges: readonly Charge[]): readonly string[] {
  return charges.flatMap(({ policy, cost }) => [
    String(costUnits(policy, cost)),
    String(policy.capacityUnits),
    String(policy.refillTokens),
    String(policy.intervalMicros),
  ]);
}
