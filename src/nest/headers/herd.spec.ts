import { SeededRandom, seedOfThisRun } from '../../../test/support/redis-random.js';
import { Policy } from '../../core/policy.js';
import type { Decision } from '../../core/decision.js';
import { RateLimiter } from '../../core/rate-limiter.js';
import { MemoryStorage } from '../../storage/memory/memory.storage.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { headerFields } from './header-fields.js';
import { resolveHeadersOptions } from './headers.options.js';

const CLIENTS = 1000;
const CAPACITY = 10;
const PER_SECOND = 100;
const IDEAL_SECONDS = (CLIENTS - CAPACITY) / PER_SECOND;
const JITTER_SECONDS = 5;
const START_MICROS = 1_800_000_000_000_000;
const OPTIONS = resolveHeadersOptions({}, 'test');

/**
 * Everybody asks once within a second for a token of one bucket, and again whenever Retry-After says so, until he has one.
 * Retry-After is in whole seconds, so each comes at the same fraction of a second as before.
 */
async function serveAll(laterSeconds: () => number) {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(START_MICROS);
  const limiter = new RateLimiter(new MemoryStorage({ clock }));
  const policy = new Policy({ capacity: CAPACITY, refillTokens: PER_SECOND, refillSeconds: 1 });
  const bySecond: number[][] = [Array.from({ length: CLIENTS }, () => random.integer(0, 999_999))];
  let checks = 0;
  for (let second = 0; second < bySecond.length; second++) {
    for (const fraction of (bySecond[second] ?? []).toSorted((a, b) => a - b)) {
      clock.advanceMicros(START_MICROS + second * 1_000_000 + fraction - clock.nowMicros());
      checks++;
      const decision = await limiter.consume({ policy, subject: 'everyone' });
      if (decision.allowed) continue;
      const seconds = retryAfterOf(decision, laterSeconds());
      expect(seconds * 1000).toBeGreaterThanOrEqual(decision.retryAfterMs);
      (bySecond[second + seconds] ??= []).push(fraction);
    }
  }
  return { checksEach: checks / CLIENTS, seconds: bySecond.length };
}

function retryAfterOf(decision: Decision, laterSeconds: number): number {
  const fields = new Map(headerFields(decision, OPTIONS, (micros) => micros, laterSeconds));
  return Number(fields.get('Retry-After'));
}

describe('clients of one bucket that obey Retry-After', () => {
  it('come back all at once where nothing spreads them', async () => {
    const { checksEach, seconds } = await serveAll(() => 0);
    expect(checksEach).toBeGreaterThan(5);
    expect(seconds).toBeLessThan(1.5 * IDEAL_SECONDS);
  });

  it('ask half as often, and are served nearly as soon, with retryJitterSeconds of half the time that serving them takes', async () => {
    const random = new SeededRandom(seedOfThisRun());
    const { checksEach, seconds } = await serveAll(() => random.integer(0, JITTER_SECONDS));
    const ideal = `${IDEAL_SECONDS} s at best`;
    console.log(`${CLIENTS} clients: ${checksEach} checks each, all served after ${seconds} s (${ideal})`);
    expect(checksEach).toBeLessThan(3);
    expect(seconds).toBeLessThan(1.5 * IDEAL_SECONDS);
  });
});
