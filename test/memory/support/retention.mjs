// What a storage keeps alive besides its buckets: must be nothing.
import { AsyncLocalStorage } from 'node:async_hooks';
import { MemoryStorage } from '../../../dist/esm/storage/memory/memory.storage.js';
import { Policy } from '../../../dist/esm/core/policy.js';
import { RateLimiter } from '../../../dist/esm/core/rate-limiter.js';

const SUBJECTS = 2000;
// Compiled code and the like, up to 0.5 MB of it in one run and none in the next, is to be nothing beside what is measured.
const POLICIES = 20_000;
const LINE_BYTES = 16_384;
const storage = new MemoryStorage();
const limiter = new RateLimiter(storage);

function heapUsed() {
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

/** Bytes kept per subject that is cut out of a header line, as by `split` or `slice`, with or without a prefix. */
function keptBytesPerSlice(prefix) {
  const policy = new Policy({ name: prefix === '' ? 'bare' : 'prefixed', capacity: 5, perSeconds: 3600 });
  const before = heapUsed();
  for (let i = 0; i < SUBJECTS; i++) {
    const line = Buffer.alloc(LINE_BYTES, 'x').toString('latin1') + `, 2001:db8:0:${i}::1`;
    void limiter.consume({ policy, subject: prefix + line.slice(LINE_BYTES + 2) });
  }
  return (heapUsed() - before) / SUBJECTS;
}

/** Bytes kept per policy that was made for one request and whose bucket is full again. */
function keptBytesPerPolicy() {
  const before = heapUsed();
  for (let i = 0; i < POLICIES; i++) {
    const policy = new Policy({ place: `tenant-${i}`.padEnd(200, '.'), capacity: 5, perSeconds: 3600 });
    // Without the limiter, which counts for the first thousand of such policies.
    storage.consume([{ policy, subject: 'everyone', cost: 1 }]);
    storage.reset([{ policy, subject: 'everyone' }]);
  }
  return (heapUsed() - before) / POLICIES;
}

/** Whether the async context of whoever opens the storage is held by it. */
async function keepsContext() {
  let context = { request: Buffer.alloc(1000) };
  const reference = new WeakRef(context);
  new AsyncLocalStorage().run(context, () => {
    storage.open();
    void limiter.consume({ policy: new Policy({ capacity: 5, perSeconds: 3600 }), subject: 'user:1' });
  });
  context = undefined;
  await new Promise((resolve) => setTimeout(resolve, 20));
  globalThis.gc();
  return reference.deref() !== undefined;
}

const kept = { sliced: keptBytesPerSlice(''), prefixed: keptBytesPerSlice('ip:'), policies: keptBytesPerPolicy() };
console.log(JSON.stringify({ ...kept, context: await keepsContext(), keys: storage.size }));
