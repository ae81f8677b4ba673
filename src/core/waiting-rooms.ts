import { mapKey } from './bucket-key.js';
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
  /**
   * To be told of a bucket that was made full.
   * @param reset the latest that did so: what {@link resetsSent} was from its sending on
   */
  readonly renewals: (bucket: Bucket, reset: number) => readonly Renewal[];
}

/** The resets of a bucket that have been sent and not all been answered. */
interface UnderWay {
  unanswered: number;
  /** The latest that is known to be done; 0: none. */
  latestDone: number;
}

/** What is known of a storage. */
interface Known {
  readonly rooms: Set<WeakRef<Room>>;
  readonly underWay: Map<string, UnderWay>;
}

/** By storage, because limiters of one storage share its buckets. Weakly: nobody has to say that he needs a room no longer. */
const KNOWN = new WeakMap<RateLimitStorage, Known>();
const GONE = new FinalizationRegistry<() => void>((forget) => forget());

let sent = 0;

/**
 * How many resets this process has sent: what tells a charge that was asked for before a reset from one that came after
 * it. Storages carry out the questions about a bucket in the order in which they were asked: memory at once, Redis on one
 * connection, a cluster on the one to the node that keeps the bucket.
 */
export function resetsSent(): number {
  return sent;
}

/** Has a room hear of the buckets of this storage that are made full in this process. */
export function hearOfResets(storage: RateLimitStorage, room: Room): void {
  const { rooms } = knownOf(storage);
  const reference = new WeakRef(room);
  rooms.add(reference);
  GONE.register(room, () => rooms.delete(reference));
}

/**
 * Makes buckets full, and has those who wait for them go as soon as that allows. While several resets of a bucket are under
 * way, those who wait keep their times, and are asked for again once, after the last answer: what was asked for after the
 * first had been answered could be forgotten by the next.
 */
export function resetBuckets(storage: RateLimitStorage, buckets: readonly Bucket[]): MaybePromise<void> {
  const known = knownOf(storage);
  const reset = ++sent;
  for (const bucket of buckets) underWayOf(known, bucket).unanswered++;
  // One that failed has forgotten nothing for certain.
  const failed = (error: unknown): never => {
    answered(known, buckets, 0);
    throw error;
  };
  let done: MaybePromise<void>;
  try {
    done = storage.reset(buckets);
  } catch (error) {
    return failed(error);
  }
  return done instanceof Promise
    ? done.then(() => answered(known, buckets, reset), failed)
    : answered(known, buckets, reset);
}

/** @param done the reset, or 0 for one that failed. */
function answered(known: Known, buckets: readonly Bucket[], done: number): void {
  const renewals = buckets.flatMap((bucket) => {
    const underWay = underWayOf(known, bucket);
    underWay.latestDone = Math.max(underWay.latestDone, done);
    if (--underWay.unanswered > 0) return [];
    known.underWay.delete(keyOf(bucket));
    if (underWay.latestDone === 0) return [];
    return [...known.rooms].flatMap((room) => room.deref()?.renewals(bucket, underWay.latestDone) ?? []);
  });
  // First come, first served, in whichever room.
  for (const { ask } of renewals.toSorted((one, other) => one.dueMicros - other.dueMicros)) ask();
}

function knownOf(storage: RateLimitStorage): Known {
  let known = KNOWN.get(storage);
  if (known === undefined) KNOWN.set(storage, (known = { rooms: new Set(), underWay: new Map() }));
  return known;
}

function underWayOf({ underWay }: Known, bucket: Bucket): UnderWay {
  const key = keyOf(bucket);
  let found = underWay.get(key);
  if (found === undefined) underWay.set(key, (found = { unanswered: 0, latestDone: 0 }));
  return found;
}

function keyOf({ policy, subject }: Bucket): string {
  return `${policy.stateId} ${mapKey(subject)}`;
}
