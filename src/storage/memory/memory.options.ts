import { type Clock, SystemClock } from '../../core/clock.js';
import { describeValue, misconfigured } from '../../core/errors.js';
import { checkOptions } from '../../core/options.js';

/** Options of the memory storage. */
export interface MemoryStorageOptions {
  /**
   * The most buckets kept at once. Integer from 1 to 8 388 608. Default: 1 000 000. Beyond it a new bucket takes the
   * place of the fullest of a few others.
   */
  readonly maxKeys?: number;
  /** Where the time comes from. Default: the machine's monotonic clock. */
  readonly clock?: Clock;
}

const DEFAULT_MAX_KEYS = 1_000_000;
/** A Map throws at 2^24 entries, and doubles while it still remembers as many deleted ones. */
const LARGEST_MAX_KEYS = 2 ** 23;
const OPTIONS = ['maxKeys', 'clock'];
const WHERE = 'new MemoryStorage';

/** The options with their defaults. @throws RateLimitConfigurationError */
export function checkedMemoryOptions(options: MemoryStorageOptions): Required<MemoryStorageOptions> {
  checkOptions(options, OPTIONS, WHERE);
  const { maxKeys = DEFAULT_MAX_KEYS, clock = new SystemClock() } = options;
  if (!Number.isInteger(maxKeys) || maxKeys < 1 || maxKeys > LARGEST_MAX_KEYS) {
    misconfigured(
      WHERE,
      `maxKeys is ${describeValue(maxKeys)}; expected an integer from 1 to ${LARGEST_MAX_KEYS}`,
      'write the number of buckets this process may keep; each takes about 100 bytes and its subject',
    );
  }
  if (typeof clock?.nowMicros !== 'function' || typeof clock.unixMicros !== 'function') {
    misconfigured(
      WHERE,
      `clock is ${describeValue(clock)}; expected an object with nowMicros() and unixMicros()`,
      'leave it out',
    );
  }
  return { maxKeys, clock };
}
