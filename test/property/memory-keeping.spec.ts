import { Policy } from '../../src/core/policy.js';
import { difference, LimiterUnderTest } from './support/limiter-under-test.js';
import { OracleBucket } from './support/oracle.js';
import { histories, type Random } from './support/random.js';

const START_MICROS = 1_700_000_000_000_000;
const OPERATIONS = 4000;
const SUBJECTS = 60;

/** Policies on one scale of time, even and stepped, so that some buckets are always full and others never. */
const POLICIES = [
  { name: 'even', capacity: 10, perSeconds: 10 },
  { name: 'coprime', capacity: 7, perSeconds: 60 },
  { name: 'stepped', capacity: 6, perSeconds: 12, refillEverySeconds: 4 },
  { name: 'window', capacity: 5, perSeconds: 30, refillEverySeconds: 30 },
  { name: 'brief', capacity: 2, perSeconds: 1 },
];

describe('what memory does to keep its size', () => {
  it('sweeping, moving and forgetting full buckets never shows in an answer', () => {
    let swept = 0;
    histories(83, 30, (random) => {
      const world = new World(random, {});
      for (let i = 0; i < OPERATIONS; i++) {
        if (world.ask() !== 'as expected') throw new Error('a bucket was forgotten before it was full');
      }
      swept += world.asked - world.limiter.storage.size;
    });
    expect(swept).toBeGreaterThan(1000);
  });

  it('a bucket evicted at the cap is full again; no other answer changes, and the cap holds', () => {
    const tally = { 'as expected': 0, forgotten: 0 };
    histories(89, 30, (random) => {
      const maxKeys = random.between(1, 40);
      const world = new World(random, { maxKeys });
      for (let i = 0; i < OPERATIONS; i++) {
        tally[world.ask()]++;
        if (world.limiter.storage.size > maxKeys) throw new Error(`${world.limiter.storage.size} keys of ${maxKeys}`);
      }
    });
    expect(tally.forgotten).toBeGreaterThan(1000);
    expect(tally['as expected']).toBeGreaterThan(tally.forgotten);
  });

  it('the sweep by timer changes nothing either', () => {
    jest.useFakeTimers();
    try {
      histories(97, 10, (random) => {
        const world = new World(random, {});
        world.limiter.storage.open();
        for (let i = 0; i < OPERATIONS; i++) {
          if (random.chance(0.05)) jest.advanceTimersByTime(1000);
          if (world.ask() !== 'as expected') throw new Error('a bucket was forgotten before it was full');
        }
        world.limiter.clock.advanceMs(100_000);
        jest.advanceTimersByTime(1000);
        if (world.limiter.storage.size > 0) throw new Error('full buckets were kept');
        world.limiter.storage.close();
      });
      expect(jest.getTimerCount()).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });
});

/** A limiter and an oracle for every bucket; an answer may differ from the oracle only if it is that of a full bucket. */
class World {
  readonly limiter: LimiterUnderTest;
  asked = 0;
  private readonly policies = POLICIES.map((definition) => new Policy(definition));
  private readonly oracles = new Map<string, OracleBucket>();

  constructor(
    private readonly random: Random,
    options: { maxKeys?: number },
  ) {
    this.limiter = new LimiterUnderTest(START_MICROS + random.below(1e13), options);
  }

  ask(): 'as expected' | 'forgotten' {
    const { random, limiter } = this;
    limiter.clock.advanceMicros(random.below(random.chance(0.01) ? 20_000_000 : 100_000));
    const index = random.below(POLICIES.length);
    const policy = this.policies[index]!;
    const subject = `user:${random.below(SUBJECTS)}`;
    const oracle = this.oracleOf(index, subject);
    const cost = random.between(1, policy.capacity);
    const said = limiter.consume({ policy, subject, cost });

    const asExpected = this.compare(oracle, cost, said);
    if (asExpected === undefined) return 'as expected';
    oracle.fill();
    const asForgotten = this.compare(oracle, cost, said);
    if (asForgotten !== undefined) throw new Error(`${asExpected}; nor was it forgotten: ${asForgotten}`);
    return 'forgotten';
  }

  /** Moves the oracle on only if it agrees. */
  private compare(oracle: OracleBucket, cost: number, said: ReturnType<LimiterUnderTest['consume']>) {
    const fits = oracle.holds(cost);
    if (fits) oracle.take(cost);
    const wrong = difference(said.policies[0]!, oracle.expected(cost, fits));
    if (wrong !== undefined && fits) oracle.take(-cost);
    return wrong;
  }

  private oracleOf(index: number, subject: string): OracleBucket {
    const key = `${index}/${subject}`;
    let oracle = this.oracles.get(key);
    if (oracle === undefined) {
      oracle = new OracleBucket(POLICIES[index]!, this.limiter.now);
      this.oracles.set(key, oracle);
      this.asked++;
    }
    oracle.at(this.limiter.now);
    return oracle;
  }
}
