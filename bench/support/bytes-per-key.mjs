// Memory of 10^6 keys beyond the texts of the subjects, which every limiter has to keep. Argument: capacity per minute
// (60: whole µs a token; 7: with remainders).
import { MemoryStorage, Policy, RateLimiter } from '../../dist/esm/index.js';

const KEYS = 1_000_000;
const policy = new Policy({ capacity: Number(process.argv[2]), perSeconds: 3600 });
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
