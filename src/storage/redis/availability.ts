import { messageOf } from '../../core/errors.js';
import type { RedisAvailability, RedisStorageLogger } from './redis.options.js';

/** What keeps Redis from being asked: no connection, or no answers on it; of a cluster, a node may not answer. */
type Cause = 'connection' | 'answers' | `node ${string}`;

/**
 * Tells the operator once when Redis can no longer be asked and once when it can, however many requests meanwhile find
 * that out: the reason for what happens to requests must be found, and an attacker must not find a way to fill the log.
 */
export class Availability {
  private readonly causes = new Set<Cause>();

  /** @param logger one that never throws. */
  constructor(
    private readonly logger: RedisStorageLogger,
    private readonly hook: ((change: RedisAvailability) => unknown) | undefined,
  ) {}

  /** Whether nothing is known to be in the way of all questions. */
  get isUp(): boolean {
    return this.causes.size === 0 || !(this.causes.has('connection') || this.causes.has('answers'));
  }

  lost(cause: Cause, reason: string, message = `Redis is away (${reason}).`): void {
    const isFirst = this.causes.size === 0;
    this.causes.add(cause);
    if (!isFirst) return;
    this.warn(`${message} Until it is back, every limit follows its onStorageFailure.`);
    this.tell({ available: false, reason });
  }

  /** One of several, and only what it keeps cannot be asked. */
  lostNode(node: string, reason: string): void {
    const message = `The Redis node ${node} is away (${reason}); what other nodes keep is asked as ever.`;
    this.lost(`node ${node}`, reason, message);
  }

  regained(cause: Cause): void {
    if (!this.causes.delete(cause) || this.causes.size > 0) return;
    this.warn('Redis is back.');
    this.tell({ available: true, reason: '' });
  }

  /** For a storage that is closed: what was in the way of one connection is not in the way of the next. */
  clear(): void {
    this.causes.clear();
  }

  private tell(change: RedisAvailability): void {
    try {
      const told = this.hook?.(change);
      if (told instanceof Promise) told.catch(this.hookFailed);
    } catch (error) {
      this.hookFailed(error);
    }
  }

  private readonly hookFailed = (error: unknown): void => this.warn(`onAvailability threw: ${messageOf(error)}`);

  private warn(message: string): void {
    this.logger.warn(`RedisStorage: ${message}`);
  }
}
