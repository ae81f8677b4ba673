import { Policy } from '../../src/core/policy.js';
import { PolicyLimiter } from '../../src/core/policy-limiter.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { LateStorage } from '../support/late-storage.js';
import { VirtualTime } from '../support/virtual-time.js';
import { histories, type Random } from './support/random.js';

const HISTORIES = 1000;
const OPERATIONS = 25;
const ONE_WAY_MS = 10;
const SUBJECT = 'everyone';
/** So long that none arrives while questions are on their way. */
const TOKEN_SECONDS = 3600;

interface Tally {
  waiting: number;
  overlapping: number;
  failed: number;
  left: number;
}

interface Found {
  readonly owed: number;
  readonly waiting: number;
}

describe('resets that overlap each other, and questions that are on their way', () => {
  it('leave a bucket that owes what is promised, and nothing else', async () => {
    const tally: Tally = { waiting: 0, overlapping: 0, failed: 0, left: 0 };
    await each(97, async (random) => {
      const { owed, waiting } = await atTheEnd(random, tally, 0);
      if (waiting > 0 && owed !== waiting) throw new Error(`${owed} owed, ${waiting} waiting`);
    });
    console.log('waiting with late resets:', tally);
    expect(tally.waiting).toBeGreaterThan(HISTORIES);
    expect(tally.overlapping).toBeGreaterThan(HISTORIES);
    expect(tally.failed).toBeGreaterThan(HISTORIES / 4);
  });

  it('leave one that owes no less where some leave, whose places may be kept', async () => {
    const tally: Tally = { waiting: 0, overlapping: 0, failed: 0, left: 0 };
    await each(101, async (random) => {
      const { owed, waiting } = await atTheEnd(random, tally, 0.2);
      if (waiting > 0 && owed < waiting) throw new Error(`${owed} owed, ${waiting} waiting`);
    });
    expect(tally.left).toBeGreaterThan(HISTORIES);
  });
});

/** How many tokens beyond its capacity the bucket owes when all is answered, and how many wait for one. */
async function atTheEnd(random: Random, tally: Tally, leaving: number): Promise<Found> {
  const time = new VirtualTime(1_700_000_000_000_000 + random.below(1e13), () => random.pick([0, 0, 500, 999]));
  const storage = new LateStorage(time, ONE_WAY_MS);
  const capacity = random.between(1, 4);
  const policy = new Policy({ name: 'late', capacity, refillTokens: 1, refillSeconds: TOKEN_SECONDS });
  const limiters = [1, 2].map(() => new PolicyLimiter(new RateLimiter(storage), policy, time));
  const here = new Set<AbortController>();
  let underWay = 0;
  for (let i = 0; i < OPERATIONS; i++) {
    if (random.chance(0.4)) await time.pass(random.below(random.pick([1, 2, 5]) * ONE_WAY_MS * 1000));
    if (random.chance(0.3)) {
      storage.resetsFail = random.chance(0.2);
      if (storage.resetsFail) tally.failed++;
      if (underWay++ > 0) tally.overlapping++;
      const answered = (): void => void underWay--;
      void Promise.resolve(random.pick(limiters).reset(SUBJECT)).then(answered, answered);
    } else if (here.size > 0 && random.chance(leaving)) {
      random.pick([...here]).abort();
      tally.left++;
    } else {
      const controller = new AbortController();
      here.add(controller);
      const gone = (): void => void here.delete(controller);
      void random.pick(limiters).wait(SUBJECT, { signal: controller.signal }).then(gone, gone);
    }
  }
  await time.pass(20 * ONE_WAY_MS * 1000);
  const peeked = Promise.resolve(limiters[0]!.peek(SUBJECT));
  await time.pass(3 * ONE_WAY_MS * 1000);
  const { retryAfterMs } = await peeked;
  const waiting = here.size;
  tally.waiting += waiting;
  return { owed: Math.ceil(retryAfterMs / 1000 / TOKEN_SECONDS) - 1, waiting };
}

async function each(seed: number, run: (random: Random) => Promise<void>): Promise<void> {
  const all: Random[] = [];
  histories(seed, HISTORIES, (random) => all.push(random));
  for (const [history, random] of all.entries()) {
    try {
      await run(random);
    } catch (error) {
      throw new Error(`seed ${random.seed}, history ${history}: ${(error as Error).message}`, { cause: error });
    }
  }
}
