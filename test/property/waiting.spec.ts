import type { PolicyDefinition } from '../../src/core/bucket-shape.js';
import { WaitTooLongError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import { PolicyLimiter } from '../../src/core/policy-limiter.js';
import { mostReservable } from '../../src/core/reservation.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import type { StorageReply } from '../../src/core/storage.js';
import type { Bucket, Charge } from '../../src/core/charge.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { IntervalBound } from './support/interval-bound.js';
import { OracleBucket } from './support/oracle.js';
import { histories, type Random } from './support/random.js';
import { quiet, VirtualTime } from '../support/virtual-time.js';

const START_MICROS = 1_700_000_000_000_000;
const HISTORIES = 3000;
const RESET_HISTORIES = 1500;
const NAIVE_HISTORIES = 400;
const OPERATIONS = 40;
/** What timers are late by; far less than any of the policies below needs for a token. */
const TIMER_MICROS = 2000n;
const SUBJECT = 'everyone';

const POLICIES: readonly PolicyDefinition[] = [
  { name: 'one', capacity: 1, perSeconds: 1 },
  { name: 'few', capacity: 5, perSeconds: 1 },
  { name: 'coprime', capacity: 7, perSeconds: 60 },
  { name: 'slow', capacity: 10, refillTokens: 2, refillSeconds: 7 },
  { name: 'strict', capacity: 1, refillTokens: 7, refillSeconds: 60 },
  { name: 'burst', capacity: 20, refillTokens: 3, refillSeconds: 1 },
  { name: 'window', capacity: 6, perSeconds: 10, refillEverySeconds: 10 },
  { name: 'steps', capacity: 9, refillTokens: 5, refillSeconds: 10, refillEverySeconds: 4 },
  { name: 'wide-step', capacity: 4, refillTokens: 4, refillSeconds: 3, refillEverySeconds: 3 },
];

/** The storage as the first idea of giving back would have it: an ordinary refund, whoever was promised what meanwhile. */
class RefundingStorage extends MemoryStorage {
  override cancel(charge: Charge, { nowMicros, debtUnits }: StorageReply): boolean {
    const { policy, cost } = charge;
    const before = debtUnits[0]! - cost * policy.tokenUnits;
    const tick = policy.intervalMicros === 0 ? nowMicros : nowMicros - (nowMicros % policy.intervalMicros);
    this.refund([charge], tick + Math.floor(before / policy.refillTokens));
    return true;
  }
}

/** One that nobody hears of when it is reset: it fails afterwards, so that nobody is asked for again. */
class ForgettingStorage extends MemoryStorage {
  override reset(buckets: readonly Bucket[]): void {
    super.reset(buckets);
    throw new Error('unheard');
  }
}

interface Tally {
  ran: number;
  atOnce: number;
  left: number;
  refused: number;
  resets: number;
}

// A busy machine can take longer than the usual time.
jest.setTimeout(180_000);

describe('what is let go after waiting, by all instances together', () => {
  it('keeps within the capacity and what drops in, in every interval, whoever leaves the line', async () => {
    const tally: Tally = { ran: 0, atOnce: 0, left: 0, refused: 0, resets: 0 };
    await asyncHistories(83, HISTORIES, async (random, history) => {
      const excess = await worstExcess(random, history, tally, (clock) => new MemoryStorage({ clock }));
      if (excess > 0n) throw new Error(`${excess} parts of a token too many`);
    });
    console.log('waiting:', tally);
    expect(tally.ran).toBeGreaterThan(HISTORIES * 10);
    expect(tally.left).toBeGreaterThan(HISTORIES * 2);
    expect(tally.refused).toBeGreaterThan(HISTORIES / 2);
  });

  it('does so between two resets, too: whoever waits then is asked for again', async () => {
    const tally: Tally = { ran: 0, atOnce: 0, left: 0, refused: 0, resets: 0 };
    await asyncHistories(89, RESET_HISTORIES, async (random, history) => {
      const excess = await worstExcess(random, history, tally, (clock) => new MemoryStorage({ clock }), 0.08);
      if (excess > 0n) throw new Error(`${excess} parts of a token too many`);
    });
    console.log('waiting with resets:', tally);
    expect(tally.resets).toBeGreaterThan(RESET_HISTORIES);
    expect(tally.ran).toBeGreaterThan(RESET_HISTORIES * 10);
  });

  it('would not, if a reset forgot those who wait: the check above can fail', async () => {
    let broken = 0;
    await asyncHistories(89, NAIVE_HISTORIES, async (random, history) => {
      const tally: Tally = { ran: 0, atOnce: 0, left: 0, refused: 0, resets: 0 };
      // Of a storage that limiters do not know of, as those of other processes.
      const behind = (clock: VirtualTime) => new ForgettingStorage({ clock });
      if ((await worstExcess(random, history, tally, behind, 0.08)) > 0n) broken++;
    });
    console.log('waiting with resets that forget:', broken, 'broken of', NAIVE_HISTORIES);
    expect(broken).toBeGreaterThan(NAIVE_HISTORIES / 20);
  });

  it('would not, if an ordinary refund gave back the tokens of those who leave: the check above can fail', async () => {
    let broken = 0;
    await asyncHistories(83, NAIVE_HISTORIES, async (random, history) => {
      const tally: Tally = { ran: 0, atOnce: 0, left: 0, refused: 0, resets: 0 };
      if ((await worstExcess(random, history, tally, (clock) => new RefundingStorage({ clock }))) > 0n) broken++;
    });
    console.log('waiting with refunds:', broken, 'broken of', NAIVE_HISTORIES);
    expect(broken).toBeGreaterThan(NAIVE_HISTORIES / 20);
  });
});

describe('who stays in a line of one instance', () => {
  it('goes when he would have gone had those who left never come, whatever all of them cost', async () => {
    const tally = { stayed: 0, left: 0 };
    await asyncHistories(97, RESET_HISTORIES, async (random, history) => {
      const policy = new Policy(POLICIES[history % POLICIES.length]!, 'property test');
      const line = Array.from({ length: random.between(2, 12) }, () => ({
        cost: random.between(1, mostReservable(policy)),
        leaves: random.chance(0.5),
        rank: random.below(1e6),
      }));
      const stayers = line.filter(({ leaves }) => !leaves);
      tally.stayed += stayers.length;
      tally.left += line.length - stayers.length;
      expect(await goesAfterMicros(policy, line)).toEqual(await goesAfterMicros(policy, stayers));
    });
    expect(tally.left).toBeGreaterThan(RESET_HISTORIES);
    expect(tally.stayed).toBeGreaterThan(RESET_HISTORIES);
  });
});

/** When those go who stay in a line before an empty bucket, which the others leave before anybody can go. */
async function goesAfterMicros(
  policy: Policy,
  line: readonly { readonly cost: number; readonly leaves: boolean; readonly rank: number }[],
): Promise<readonly number[]> {
  const time = new VirtualTime(START_MICROS);
  const limiter = new PolicyLimiter(new RateLimiter(new MemoryStorage({ clock: time })), policy, time);
  await limiter.consume(SUBJECT, policy.capacity);
  const went: number[] = [];
  const leaving: { readonly rank: number; readonly controller: AbortController }[] = [];
  for (const { cost, leaves, rank } of line) {
    const controller = new AbortController();
    if (leaves) leaving.push({ rank, controller });
    limiter.wait(SUBJECT, { cost, signal: controller.signal }).then(
      () => went.push(time.nowMicros() - START_MICROS),
      () => {},
    );
  }
  await time.pass(1000);
  for (const { controller } of leaving.toSorted((one, other) => one.rank - other.rank)) controller.abort();
  await time.passAll();
  return went;
}

async function worstExcess(
  random: Random,
  history: number,
  tally: Tally,
  storageAt: (time: VirtualTime) => MemoryStorage,
  resets = 0,
): Promise<bigint> {
  const definition = POLICIES[history % POLICIES.length]!;
  const policy = new Policy(definition, 'property test');
  const time = new VirtualTime(START_MICROS + random.below(1e13), () => random.pick([0, 0, 500, 999]));
  const storage = storageAt(time);
  const instances = Array.from(
    { length: random.between(1, 3) },
    () => new PolicyLimiter(new RateLimiter(storage), policy, time),
  );
  let calls: { atMicros: number; cost: number }[] = [];
  const epochs = [calls];
  const tokenMicros = Math.ceil(policy.refillMicros / policy.refillTokens);
  const scale = Math.max(tokenMicros, policy.intervalMicros);
  const mostCost = mostReservable(policy);
  const here: AbortController[] = [];
  const waits: Promise<void>[] = [];
  for (let i = 0; i < OPERATIONS; i++) {
    if (random.chance(0.3)) await time.pass(random.below(random.pick([1, 2, 4]) * scale + 1));
    // Several processes that stand still cannot know of each other's late calls; one knows its own.
    if (instances.length === 1 && random.chance(0.05)) await time.stall(random.below(8 * scale));
    if (resets > 0 && random.chance(resets)) {
      tally.resets++;
      // Who has gone by now has gone before it.
      await quiet();
      reset(random.pick(instances));
      epochs.push((calls = []));
    }
    if (here.length > 0 && random.chance(0.35)) {
      here.splice(random.below(here.length), 1)[0]!.abort(new Error('left'));
      continue;
    }
    const cost = random.chance(0.7) ? 1 : random.between(1, mostCost);
    if (instances.length > 1 && random.chance(0.15)) {
      // Nobody who does not wait comes before those who do.
      const decision = await random.pick(instances).consume(SUBJECT, cost);
      if (decision.allowed) calls.push({ atMicros: time.nowMicros(), cost });
      tally[decision.allowed ? 'atOnce' : 'refused']++;
      continue;
    }
    const controller = new AbortController();
    here.push(controller);
    const maxWaitMs = random.chance(0.7) ? undefined : (random.below(6 * scale) + 1) / 1000;
    waits.push(
      random
        .pick(instances)
        .wait(SUBJECT, { cost, signal: controller.signal, maxWaitMs })
        .then(
          () => {
            calls.push({ atMicros: time.nowMicros(), cost });
            tally.ran++;
          },
          (error: Error) => {
            if (error instanceof WaitTooLongError) tally.refused++;
            else if (error.message === 'left') tally.left++;
            else throw error;
          },
        ),
    );
  }
  await time.passAll();
  await Promise.all(waits);
  // Promised times are exact to the microsecond; timers are not.
  const lateMicros = policy.intervalMicros > 0 ? 0n : TIMER_MICROS;
  const excesses = epochs.map((epoch) => {
    const oracle = new OracleBucket(definition, START_MICROS);
    const bound = new IntervalBound(oracle);
    for (const { atMicros, cost } of epoch) bound.add(atMicros, cost);
    return bound.worstExcess - lateMicros * oracle.partsPerDrop;
  });
  return excesses.reduce((worst, excess) => (excess > worst ? excess : worst));
}

function reset(limiter: PolicyLimiter): void {
  try {
    void limiter.reset(SUBJECT);
  } catch (error) {
    if ((error as Error).message !== 'unheard') throw error;
  }
}

async function asyncHistories(
  seed: number,
  count: number,
  run: (random: Random, history: number) => Promise<void>,
): Promise<void> {
  const all: [Random, number][] = [];
  histories(seed, count, (random, history) => all.push([random, history]));
  for (const [random, history] of all) {
    try {
      await run(random, history);
    } catch (error) {
      throw new Error(`seed ${random.seed}, history ${history}: ${(error as Error).message}`, { cause: error });
    }
  }
}
