// Bytes of a bucket with a sliding window, beyond its subject. Arguments: the algorithm, charges in the window.
import { MemoryStorage } from '../../../dist/esm/storage/memory/memory.storage.js';
import { Policy } from '../../../dist/esm/core/policy.js';
import { RateLimiter } from '../../../dist/esm/core/rate-limiter.js';
import { ManualClock } from '../../../dist/esm/testing/manual-clock.js';

const KEYS = 10_000;
const [algorithm, charges] = [process.argv[2], Number(process.argv[3])];
const clock = new ManualClock();
const storage = new MemoryStorage({ clock });
const limiter = new RateLimiter(storage);
const policy = new Policy({ capacity: 10_000, perSeconds: 86_400, algorithm });
// Kept by this script already, so that only the bucket itself is counted.
const subjects = Array.from({ length: KEYS }, (_, i) => `user:${i}`);

function bytesUsed() {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

void limiter.consume({ policy, subject: 'first' });
const before = bytesUsed();
for (let charge = 0; charge < charges; charge++) {
  clock.advanceMs(1);
  for (const subject of subjects) void limiter.consume({ policy, subject });
}
const bytesPerKey = Math.round((bytesUsed() - before) / KEYS);
console.log(JSON.stringify({ bytesPerKey, keys: storage.size, subjects: subjects.length }));
