// Arguments: keys, maxKeys (0: the default), capacity per hour (60: whole µs a token; 7: with remainders).
import { MemoryStorage } from '../../../dist/esm/storage/memory/memory.storage.js';
import { Policy } from '../../../dist/esm/core/policy.js';
import { RateLimiter } from '../../../dist/esm/core/rate-limiter.js';

const [keys, maxKeys, capacity] = process.argv.slice(2).map(Number);
const storage = new MemoryStorage(maxKeys === 0 ? {} : { maxKeys });
const limiter = new RateLimiter(storage);
storage.open(); // and never closed: its timer must not keep this process alive
const policy = new Policy({ capacity, perSeconds: 3600 });

let mostBytes = 0;
let mostKeys = 0;
let denied = 0;
for (let key = 1; key <= keys; key++) {
  if (!limiter.consume({ policy, subject: `ip:2001:db8:${key.toString(16)}::/64` }).allowed) denied++;
  if (key % (keys / 10) !== 0) continue;
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  mostBytes = Math.max(mostBytes, heapUsed + external);
  mostKeys = Math.max(mostKeys, storage.size);
}
console.log(JSON.stringify({ mostBytes, mostKeys, denied }));
