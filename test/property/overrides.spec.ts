import { RateLimitOverrides } from '../../src/core/overrides/rate-limit-overrides.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { Random } from './support/random.js';

const SUBJECT = 'user:1';
const START_MICROS = 1_700_000_000_000_000;

/** Limits as whole µs per token, so that bounds can be told in whole numbers. */
interface Numbers {
  readonly capacity: number;
  readonly perSeconds: number;
}
const SETS: readonly (readonly Numbers[])[] = [
  [
    { capacity: 10, perSeconds: 10 },
    { capacity: 100, perSeconds: 1 },
  ],
  [
    { capacity: 3, perSeconds: 60 },
    { capacity: 50, perSeconds: 60 },
  ],
  [
    { capacity: 5, perSeconds: 1 },
    { capacity: 5, perSeconds: 100 },
    { capacity: 40, perSeconds: 20 },
  ],
  [
    { capacity: 1000, perSeconds: 3600 },
    { capacity: 7, perSeconds: 11 },
  ],
];

/**
 * The most tokens that an interval of so many seconds can admit, however often its limit changes among these. What is
 * charged moves the instant at which the bucket is full, and a limit that takes W seconds to refill moves it to W seconds
 * from now at the farthest; each second of that way is worth the fastest rate that may still be used there.
 */
function mostAdmitted(limits: readonly Numbers[], seconds: number): number {
  const rate = ({ capacity, perSeconds }: Numbers) => capacity / perSeconds;
  const fastest = Math.max(...limits.map(rate));
  let [ahead, from] = [0, 0];
  for (const { perSeconds } of limits.toSorted((a, b) => a.perSeconds - b.perSeconds)) {
    const usable = limits.filter((other) => other.perSeconds >= perSeconds);
    ahead += (perSeconds - from) * Math.max(...usable.map(rate));
    from = perSeconds;
  }
  return fastest * seconds + ahead;
}

it('of two limits, the bound is that of the larger numbers, and at most both capacities', () => {
  expect(mostAdmitted([SETS[1]![1]!], 60)).toBe(100);
  expect(mostAdmitted(SETS[1]!, 60)).toBe(100);
  expect(mostAdmitted(SETS[0]!, 0)).toBe(109);
  for (const limits of SETS) {
    expect(mostAdmitted(limits, 0)).toBeLessThanOrEqual(limits.reduce((sum, { capacity }) => sum + capacity, 0));
  }
});

it('the bound is reached by changing from the faster limit to the one that takes longer to refill', async () => {
  const [slow, fast] = SETS[0]! as [Numbers, Numbers];
  const policy = new Policy({ name: 'changing', ...fast });
  const limiter = new RateLimiter(new MemoryStorage({ clock: new ManualClock() }), [policy], { overrides: true });
  const overrides = new RateLimitOverrides(limiter);
  let admitted = 0;
  for (const numbers of [fast, slow, fast, slow]) {
    await overrides.set('changing', SUBJECT, numbers);
    while ((await limiter.consume({ policy, subject: SUBJECT })).allowed) admitted++;
  }
  expect(admitted).toBe(mostAdmitted([slow, fast], 0));
});

it.each(SETS.map((limits) => [JSON.stringify(limits), limits] as const))(
  'no interval admits more than the bound of %s, and what was granted in it',
  async (_, limits) => {
    let [admissions, changes] = [0, 0];
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Random(seed);
      const clock = new ManualClock(START_MICROS);
      const policy = new Policy({ name: 'changing', ...limits[0]! });
      const limiter = new RateLimiter(new MemoryStorage({ clock }), [policy], { overrides: true });
      const overrides = new RateLimitOverrides(limiter);
      const isGranting = random.chance(0.3);
      const events: { readonly micros: number; readonly admitted: number; readonly granted: number }[] = [];
      for (let step = 0; step < 150; step++) {
        if (random.chance(0.1)) {
          changes++;
          if (random.chance(0.2)) await overrides.remove('changing', SUBJECT);
          else await overrides.set('changing', SUBJECT, random.pick(limits));
        }
        if (random.chance(0.3)) clock.advanceMicros(random.pick([1, 1000, 700_000, random.below(20_000_000)]));
        if (isGranting && random.chance(0.05)) {
          const least = Math.min(...limits.map(({ capacity }) => capacity));
          const granted = random.between(1, least);
          await overrides.grant('changing', SUBJECT, granted);
          // Tokens are worth what refills in their time: granted by a slow limit, they are more of a fast one.
          events.push({ micros: clock.nowMicros(), admitted: 0, granted: granted * mostWorth(limits) });
        }
        const { allowed, cost } = askAny(limiter, random);
        if (allowed) events.push({ micros: clock.nowMicros(), admitted: cost, granted: 0 });
      }
      admissions += events.length;
      for (let i = 0; i < events.length; i++) {
        let [admitted, granted] = [0, 0];
        for (let j = i; j < events.length; j++) {
          admitted += events[j]!.admitted;
          granted += events[j]!.granted;
          const most = mostAdmitted(limits, (events[j]!.micros - events[i]!.micros) / 1e6) + granted;
          if (admitted > most + 1e-6) throw new Error(`seed ${seed}: ${admitted} admitted, at most ${most}`);
        }
      }
    }
    expect(admissions).toBeGreaterThan(1000);
    expect(changes).toBeGreaterThan(500);
  },
);

function askAny(limiter: RateLimiter, random: Random): { readonly allowed: boolean; readonly cost: number } {
  const cost = random.chance(0.7) ? 1 : random.between(1, 20);
  const decision = limiter.consume({ policy: 'changing', subject: SUBJECT, cost });
  if (decision instanceof Promise) throw new Error('late');
  return { allowed: decision.allowed, cost };
}

/** How many tokens of the fastest limit refill in the time of one of the slowest. */
function mostWorth(limits: readonly Numbers[]): number {
  const rates = limits.map(({ capacity, perSeconds }) => capacity / perSeconds);
  return Math.max(...rates) / Math.min(...rates);
}
