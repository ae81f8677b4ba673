import type { SlidingWindow } from '../../src/core/algorithms/sliding-window.js';
import type { MemoryStorage } from '../../src/storage/memory/memory.storage.js';

/** Where a bucket is kept, beyond what the classes show. */
interface Insides {
  readonly buckets: {
    readonly slab: {
      readonly size: number;
      readonly keys: readonly string[];
      readonly tables: readonly { readonly stateId: string }[];
      readonly arrivals: Float64Array;
      readonly remainders?: Float64Array;
      readonly remainderRefills?: Float64Array;
      readonly windows?: readonly (SlidingWindow | undefined)[];
    };
  };
}

/** Every bucket that is kept in memory, with every number of it, in an order that does not depend on the slots. */
export function memoryState(storage: MemoryStorage): string {
  const { slab } = (storage as unknown as Insides).buckets;
  const lines = Array.from({ length: slab.size }, (_, slot) =>
    JSON.stringify([
      slab.tables[slot]!.stateId,
      slab.keys[slot],
      slab.arrivals[slot],
      // As good as left out where no bucket has one, so that the first that has changes no other.
      slab.remainders?.[slot] ?? 0,
      slab.remainderRefills?.[slot] ?? 0,
      keptOf(slab.windows?.[slot]),
    ]),
  );
  return lines.toSorted().join('\n');
}

/** Where a log looks first is no state: asking moves it, and no answer depends on it. */
function keptOf(window: SlidingWindow | undefined): object | undefined {
  return window && { ...window, latestFirst: undefined };
}
