// Memory of keys beyond the texts of the subjects, which every limiter has to keep. Arguments: capacity per hour (60: whole
// µs a token; 7: with remainders); and, if others than those of 10^6 token buckets that are charged once are asked for,
// the algorithm, how many keys, and how many charges of each.
import { MemoryStorage, Policy, RateLimiter } from '../../dist/esm/index.js';

const [capacity, algorithm = 'token-bucket', keys = '1000000', charges = '1'] = process.argv.slice(2);
const KEYS = Number(keys);
const policy = new Policy({ capacity: Number(capacity), perSeconds: 3600, algorithm });
const subjectOf = (i) => `user:${10_000_000 + i}`;

function used() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const start = used();
const texts = Array.from({ length: KEYS }, (_, i) => JSON.parse(JSON.stringify(subjectOf(i))));
const bytesPerText = (used() - start) / KEYS - 8;
texts.length = 0;

const before = used();
const storage = new MemoryStorage();
const limiter = new RateLimiter(storage);
const nanos = new Float64Array(KEYS);
for (let i = 0; i < KEYS; i++) {
  const subject = subjectOf(i);
  const from = performance.now();
  limiter.consume({ policy, subject });
  nanos[i] = (performance.now() - from) * 1e6;
}
// Rounds apart, so that no two charges are of one µs.
for (let charge = 1; charge < Number(charges); charge++) {
  for (let i = 0; i < KEYS; i++) limiter.consume({ policy, subject: subjectOf(i) });
}
const bytesPerKey = (used() - before - nanos.byteLength) / KEYS;
nanos.sort();
console.log(
  JSON.stringify({
    keys: storage.size,
    bytesPerKey,
    bytesPerText,
    insertMedianNanos: nanos[KEYS / 2],
    insertP99Nanos: nanos[KEYS * 0.99],
    insertWorstNanos: nanos[KEYS - 1],
  }),
);
