import type { PolicyDefinition } from '../../src/core/bucket-shape.js';
import { Receipt } from '../../src/core/decision.js';
import type { Policy } from '../../src/core/policy.js';
import { IntervalBound } from './support/interval-bound.js';
import { awkwardWait, LimiterUnderTest, policyAndOracle } from './support/limiter-under-test.js';
import type { OracleBucket } from './support/oracle.js';
import { histories, type Random } from './support/random.js';

const HISTORIES = 100_000;
const NAIVE_HISTORIES = 3000;
const OPERATIONS_PER_HISTORY = 24;
const START_MICROS = 1_700_000_000_000_000;
const SUBJECT = 'user:1';

/** Small ones, so that a token too many shows within a few requests. */
const POLICIES: readonly PolicyDefinition[] = [
  { name: 'one', capacity: 1, perSeconds: 1 },
  { name: 'few', capacity: 5, perSeconds: 1 },
  { name: 'coprime', capacity: 7, perSeconds: 60 },
  { name: 'slow', capacity: 10, refillTokens: 2, refillSeconds: 7 },
  { name: 'fast', capacity: 4, refillTokens: 999_983, refillSeconds: 1 },
  { name: 'window', capacity: 6, perSeconds: 10, refillEverySeconds: 10 },
  { name: 'steps', capacity: 9, refillTokens: 5, refillSeconds: 10, refillEverySeconds: 4 },
  { name: 'wide-steps', capacity: 3, refillTokens: 5, refillSeconds: 1, refillEverySeconds: 1 },
];

/** What was admitted: real work, unless it was given back before it was done. */
interface Work {
  readonly atMicros: number;
  readonly costs: readonly number[];
  readonly receipt: Receipt;
  givenBack: boolean;
}

type GiveBack = (limiter: LimiterUnderTest, receipt: Receipt) => void;

const decayed: GiveBack = (limiter, receipt) => void limiter.refund(receipt);
/** As if the charges had been taken a moment ago: all of the cost comes back, whatever has refilled since. */
const naive: GiveBack = (limiter, receipt) => void limiter.refund(new Receipt(receipt.charges, limiter.now));

// A busy machine can take longer than the usual time.
jest.setTimeout(180_000);

describe('work that was admitted and not given back', () => {
  it('stays within the capacity and what drops in, in every interval', () => {
    const tally = { given: 0, refused: 0, broken: 0 };
    histories(71, HISTORIES, (random, history) => {
      if (worstExcess(random, history, decayed, tally) > 0n) throw new Error('more work than the bound');
    });
    expect(tally.given).toBeGreaterThan(HISTORIES);
    expect(tally.refused).toBeGreaterThan(HISTORIES);
  });

  it('would not, if the whole cost came back: the check above can fail', () => {
    let broken = 0;
    histories(71, NAIVE_HISTORIES, (random, history) => {
      if (worstExcess(random, history, naive, { given: 0, refused: 0 }) > 0n) broken++;
    });
    expect(broken).toBeGreaterThan(NAIVE_HISTORIES / 4);
  });
});

/** One history on one or two buckets at once; the worst interval of any of them. */
function worstExcess(
  random: Random,
  history: number,
  giveBack: GiveBack,
  tally: { given: number; refused: number },
): bigint {
  const limiter = new LimiterUnderTest(START_MICROS + random.below(1e13), { maxKeys: 8 });
  const definitions = [POLICIES[history % POLICIES.length]!, ...(random.chance(0.3) ? [random.pick(POLICIES)] : [])];
  const buckets = [...new Set(definitions)].map((definition) => policyAndOracle(definition, limiter.now));
  const policies = buckets.map(([policy]) => policy);
  const works: Work[] = [];
  for (let i = 0; i < OPERATIONS_PER_HISTORY; i++) {
    limiter.clock.advanceMicros(awkwardWait(random, policies[0]!, 1));
    const undecided = works.filter((work) => !work.givenBack);
    if (undecided.length > 0 && random.chance(0.2)) {
      const work = random.pick(undecided);
      work.givenBack = true;
      giveBack(limiter, work.receipt);
      tally.given++;
    } else {
      admit(random, limiter, policies, works, tally);
    }
  }
  return buckets.map(([, oracle], i) => worstOf(oracle, works, i)).reduce((a, b) => (a > b ? a : b));
}

function admit(
  random: Random,
  limiter: LimiterUnderTest,
  policies: readonly Policy[],
  works: Work[],
  tally: { refused: number },
): void {
  const costs = policies.map((policy) => {
    // Greedy: asks for all there is, so that a token too many is taken at once.
    const left = random.chance(0.6) ? limiter.peek({ policy, subject: SUBJECT }).remaining : 0;
    return left > 0 ? left : random.between(1, policy.capacity);
  });
  const decision = limiter.consume(policies.map((policy, i) => ({ policy, subject: SUBJECT, cost: costs[i]! })));
  if (decision.allowed) {
    works.push({ atMicros: limiter.now, costs, receipt: decision.receipts[0]!, givenBack: false });
  } else {
    tally.refused++;
  }
}

function worstOf(oracle: OracleBucket, works: readonly Work[], bucket: number): bigint {
  const bound = new IntervalBound(oracle);
  for (const { atMicros, costs, givenBack } of works) {
    if (!givenBack) bound.add(atMicros, costs[bucket]!);
  }
  return bound.worstExcess;
}
