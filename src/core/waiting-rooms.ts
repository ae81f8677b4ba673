import type { Bucket } from './charge.js';
import type { MaybePromise, RateLimitStorage } from './storage.js';

/** Tokens that are waited for, of a bucket that has forgotten that they are reserved. */
export interface Renewal {
  /** When they would have arrived, by the clock of this process. */
  readonly dueMicros: number;
  readonly ask: () => void;
}

/** Where tokens are waited for, as far as a reset concerns it. */
interface Room {
  /** To be told of a bucket that was made full. */
  readonly renewals: (bucket: Bucket) => readonly Renewal[];
}

/** By storage, because limiters of one storage share its buckets. Weakly: nobody has to say that he needs a room no longer. */
const ROOMS = new WeakMap<RateLimitStorage, Set<WeakRef<Room>>>();
const GONE = new FinalizationRegistry<() => void>((forget) => forget());

/** Has a room hear of the buckets of this storage that are made full in this process. */
export function hearOfResets(storage: RateLimitStorage, room: Room): void {
  const rooms = ROOMS.get(storage) ?? new Set();
  ROOMS.set(storage, rooms);
  const reference = new WeakRef(room);
  rooms.add(reference);
  GONE.register(room, () => rooms.delete(reference));
}

/** Makes buckets full, and has those who wait for them go as soon as that allows. */
export function resetBuckets(storage: RateLimitStorage, buckets: readonly Bucket[]): MaybePromise<void> {
  const done = storage.reset(buckets);
  return done instanceof Promise ? done.then(() => renew(storage, buckets)) : renew(storage, buckets);
}

function renew(storage: RateLimitStorage, buckets: readonly Bucket[]): void {
  const rooms = [...(ROOMS.get(storage) ?? [])];
  const renewals = rooms.flatMap((room) => buckets.flatMap((bucket) => room.deref()?.renewals(bucket) ?? []));
  // First come, first served, in whichever room.
  for (const { ask } of renewals.toSorted((one, other) => one.dueMicros - other.dueMicros)) ask();
}
