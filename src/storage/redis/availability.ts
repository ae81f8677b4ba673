import type { RedisAvailability, RedisStorageLogger } from './redis.options.js';

/** What keeps Redis from being asked: no connection, or no answers on it. */
type Cause = 'connection' | 'answers';

/**
 * Tells the operator once when Redis can no longer be asked and once when it can, however many requests meanwhile find
 * that out: the reason for what happens to requests must be found, and an attacker must not find a way to fill the log.
 */
export class Availability {
  private readonly causes = new Set<Cause>();

  constructor(
    private readonly logger: RedisStorageLogger,
    private readonly hook: ((change: RedisAvailability) => void) | undefined,
  ) {}

  /** Whether nothing is known to be in the way. */
  get isUp(): boolean {
    return this.causes.size === 0;
  }

  lost(cause: Cause, reason: string, message = `Redis is away (${reason}).`): void {
    const isFirst = this.causes.size === 0;
    this.causes.add(cause);
    if (!isFirst) return;
    this.logger.warn(`RedisStorage: ${message} Until it is back, every limit follows its onStorageFailure.`);
    this.tell({ available: false, reason });
  }

  regained(cause: Cause): void {
    if (!this.causes.delete(cause) || this.causes.size > 0) return;
    this.logger.warn('RedisStorage: Redis is back.');
    this.tell({ available: true, reason: '' });
  }

  private tell(change: RedisAvailability): void {
    try {
      this.hook?.(change);
    } catch (error) {
      this.logger.warn(`RedisStorage: onAvailability threw: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
