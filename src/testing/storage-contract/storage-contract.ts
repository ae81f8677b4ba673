import { describeValue, misconfigured } from '../../core/errors.js';
import type { MaybePromise } from '../../core/storage.js';
import { algorithms } from './algorithms.js';
import { buckets } from './buckets.js';
import { cancelling, cancellingInWindows } from './cancelling.js';
import { type Checks, Contract, type StorageHarness } from './contract.js';
import { decisions } from './decisions.js';
import { givingBack } from './giving-back.js';
import { manyCharges } from './many-charges.js';
import { ifOverridden } from './optional.js';
import { overrides } from './overrides.js';
import { owing } from './owing.js';
import { reserving } from './reserving.js';
import { owingOfWindows, slidingWindows } from './sliding-windows.js';

const TOPICS = {
  decisions,
  'many charges': manyCharges,
  'giving back': givingBack,
  reserving,
  cancelling: ifOverridden('cancel', 'cancelling', cancelling),
  owing: ifOverridden('owe', 'owing', { ...owing, ...owingOfWindows }),
  buckets,
  algorithms,
  'sliding windows': { ...slidingWindows, ...cancellingInWindows },
  overrides: ifOverridden('overrideStore', 'overrides', overrides),
} satisfies Record<string, Checks>;

/**
 * What a check is about: what is admitted and when, all or none, peek with refund and reset, charges beyond the capacity,
 * `cancel`, `owe`, which bucket is which, the algorithms that keep an arrival time or a sliding window, and
 * `overrideStore`.
 */
export type StorageTopic = keyof typeof TOPICS;

/** One promise of every storage. */
export interface StorageCheck {
  readonly topic: StorageTopic;
  /** Unique, and begins with the topic: `decisions: a full bucket admits its capacity at once, …`. */
  readonly name: string;
  /** Makes a storage and tries it. @throws AssertionError of `node:assert` where the promise is broken. */
  readonly run: () => Promise<void>;
}

/**
 * Everything that a storage promises, as checks for any test runner:
 * `for (const { name, run } of storageContract(create)) test(name, run);`. What a storage
 * does not override is left out by its topic: `cancelling` without `cancel`, `owing` without `owe`, `overrides` without
 * `overrideStore`. A check of a topic that should have been left out says so. A check asks at most some thousand questions
 * one after the other, or ten thousand of which a hundred at a time are under way.
 *
 * @param create gives a new storage for each check.
 * @throws RateLimitConfigurationError when `create` is no function; in `run` for a clock that is not the test's.
 */
export function storageContract(create: () => MaybePromise<StorageHarness>): readonly StorageCheck[] {
  if (typeof create !== 'function') {
    misconfigured(
      'storageContract',
      `it was given ${describeValue(create)}`,
      'pass a function that makes a storage: () => ({ storage, advanceMs })',
    );
  }
  return Object.entries(TOPICS).flatMap(([topic, checks]) =>
    Object.entries(checks).map(([name, check]) => ({
      topic: topic as StorageTopic,
      name: `${topic}: ${name}`,
      run: async () => Contract.check(await create(), check),
    })),
  );
}
