// Every contender takes one token of a limit per operation and reads whether it was allowed, what is left and when to
// come back. The loops are written out for each: one shared loop would make all of their calls megamorphic.
import { memoryStore } from '@joint-ops/hitlimit/stores/memory';
import throttler from '@nestjs/throttler';
import { MemoryStore } from 'express-rate-limit';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { MemoryStorage, Policy, RateLimiter } from '../../dist/esm/index.js';

/** The least that any limiter does: reads the clock, finds the subject, writes a number. */
export function floor({ stored, asked }, order) {
  const slots = new Map(stored.map((subject, slot) => [subject, slot]));
  const written = new Float64Array(stored.length);
  const mask = order.length - 1;
  return (operations) => {
    for (let i = 0; i < operations; i++) {
      const now = performance.now();
      written[slots.get(asked[order[i & mask]])] = now;
    }
  };
}

export function tokenBucket({ stored, asked }, order, limit, options) {
  const limiter = new RateLimiter(new MemoryStorage(options));
  const policy = new Policy({ capacity: limit, perSeconds: 60 });
  for (const subject of stored) limiter.consume({ policy, subject });
  const mask = order.length - 1;
  return (operations) => {
    let read = 0;
    for (let i = 0; i < operations; i++) {
      const decision = limiter.consume({ policy, subject: asked[order[i & mask]], cost: 1 });
      read += decision.allowed ? decision.remaining : decision.remaining + decision.retryAfterMs;
    }
    return read;
  };
}

/** The bare store, without the SHA-256 and the six metadata look-ups that the guard adds per limit. */
export function nestjsThrottler({ stored, asked }, order, limit) {
  const storage = new throttler.ThrottlerStorageService();
  const mask = order.length - 1;
  const prefill = Promise.all(stored.map((subject) => storage.increment(subject, 60_000, limit, 60_000, 'default')));
  return async (operations) => {
    await prefill;
    let read = 0;
    for (let i = 0; i < operations; i++) {
      const record = await storage.increment(asked[order[i & mask]], 60_000, limit, 60_000, 'default');
      read += record.isBlocked ? record.timeToBlockExpire : limit - record.totalHits;
    }
    return read;
  };
}

export function rateLimiterFlexible({ stored, asked }, order, limit) {
  const limiter = new RateLimiterMemory({ points: limit, duration: 60 });
  const mask = order.length - 1;
  const prefill = Promise.allSettled(stored.map((subject) => limiter.consume(subject)));
  return async (operations) => {
    await prefill;
    let read = 0;
    for (let i = 0; i < operations; i++) {
      try {
        read += (await limiter.consume(asked[order[i & mask]])).remainingPoints;
      } catch (refusal) {
        read += refusal.remainingPoints + refusal.msBeforeNext;
      }
    }
    return read;
  };
}

/** The bare store: a counter of hits; the comparison with the limit is what its middleware does. */
export function expressRateLimit({ stored, asked }, order, limit) {
  const store = new MemoryStore();
  store.init({ windowMs: 60_000 });
  const mask = order.length - 1;
  const prefill = Promise.all(stored.map((subject) => store.increment(subject)));
  return async (operations) => {
    await prefill;
    let read = 0;
    for (let i = 0; i < operations; i++) {
      const { totalHits, resetTime } = await store.increment(asked[order[i & mask]]);
      read += totalHits <= limit ? limit - totalHits : resetTime.getTime();
    }
    return read;
  };
}

/** The bare store: a counter of hits in one reused result; the comparison with the limit is done here. */
export function hitlimit({ stored, asked }, order, limit) {
  const store = memoryStore();
  for (const subject of stored) store.hit(subject, 60_000, limit);
  const mask = order.length - 1;
  return (operations) => {
    let read = 0;
    for (let i = 0; i < operations; i++) {
      const { count, resetAt } = store.hit(asked[order[i & mask]], 60_000, limit);
      read += count <= limit ? limit - count : resetAt - Date.now();
    }
    return read;
  };
}
