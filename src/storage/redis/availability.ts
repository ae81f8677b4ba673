import { messageOf } from '../../core/errors.js';
import type { RedisAvailability, RedisStorageLogger } from './redis.options.js';

/** What keeps Redis from being asked: no connection, or no answers on it. */
type Cause = 'connection' | 'answers';

/**
 * Tells the operator once when Redis can no longer be asked and once when it can, however many requests meanwhile find
 * that out: the reason for what happens to requests must be found, and an attacker must not find a way to fill the log.
 * The same of each node of a cluster: one that is away says nothing about another, nor about the whole.
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
    return this.causes.size === 0;
  }

  lost(cause: Cause, reason: string, message = `Redis is away (${reason}).`): void {
    const wasUp = this.isUp;
    this.causes.add(cause);
    if (!wasUp) return;
    this.warn(`${message} Until it is back, every limit follows its onStorageFailure.`);
    this.tell({ available: false, reason });
  }

  regained(cause: Cause): void {
    if (!this.causes.delete(cause) || !this.isUp) return;
    this.warn('Redis is back.');
    this.tell({ available: true, reason: '' });
  }

  /** Of several. To be called once per transition. */
  lostNode(node: string, reason: string): void {
    const meanwhile = 'Until it is back, limits of the subjects that it keeps follow their onStorageFailure.';
    this.warn(`The Redis node ${node} is away (${reason}). ${meanwhile}`);
    this.tell({ available: false, reason, node });
  }

  /** What it kept is asked for again, there or wherever it is by now. */
  regainedNode(node: string): void {
    this.warn(`The Redis node ${node} is back, or another has its slots.`);
    this.tell({ available: true, reason: '', node });
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
