import type { Charge } from '../../src/core/charge.js';
import type { RedisStorage } from '../../src/storage/redis/redis.storage.js';

/** Takes all that a bucket still holds, until it denies; a failure is thrown, so that nothing is taken for a denial. */
export async function drain(storage: RedisStorage, charges: readonly Charge[]): Promise<number> {
  let taken = 0;
  for (;;) {
    const replies = await Promise.all(Array.from({ length: 500 }, async () => storage.consume(charges)));
    taken += replies.filter(({ allowed }) => allowed).length;
    if (replies.some(({ allowed }) => !allowed)) return taken;
  }
}
