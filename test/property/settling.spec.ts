import type { PolicyDefinition } from '../../src/core/bucket-shape.js';
import type { Charge } from '../../src/core/charge.js';
import type { Receipt } from '../../src/core/decision.js';
import { InvalidChargeError } from '../../src/core/errors.js';
import type { Policy } from '../../src/core/policy.js';
import { IntervalBound } from './support/interval-bound.js';
import { awkwardWait, difference, LimiterUnderTest, policyAndOracle } from './support/limiter-under-test.js';
import type { OracleBucket } from './support/oracle.js';
import { histories, type Random } from './support/random.js';

const HISTORIES = 30_000;
const OPERATIONS_PER_HISTORY = 30;
const START_MICROS = 1_700_000_000_000_000;
const SUBJECT = 'user:1';

/** Small ones, so that a token too many shows within a few requests; the last one as large as exact counting allows. */
const POLICIES: readonly PolicyDefinition[] = [
  { name: 'one', capacity: 1, perSeconds: 1 },
  { name: 'one-in-debt', capacity: 1, perSeconds: 1, maxDebt: 3 },
  { name: 'few', capacity: 5, perSeconds: 1 },
  { name: 'coprime', capacity: 7, perSeconds: 60, maxDebt: 1 },
  { name: 'slow', capacity: 10, refillTokens: 2, refillSeconds: 7, maxDebt: 100 },
  { name: 'fast', capacity: 4, refillTokens: 999_983, refillSeconds: 1, maxDebt: 9 },
  { name: 'window', capacity: 6, perSeconds: 10, refillEverySeconds: 10, maxDebt: 2 },
  { name: 'steps', capacity: 9, refillTokens: 5, refillSeconds: 10, refillEverySeconds: 4 },
  { name: 'wide-steps', capacity: 3, refillTokens: 5, refillSeconds: 1, refillEverySeconds: 1, maxDebt: 7 },
  { name: 'large', capacity: 2 ** 31, refillTokens: 1, refillSeconds: 1, maxDebt: 104_316_165 },
];

/** What was admitted; its cost is final once it was settled or refunded. */
interface Work {
  readonly atMicros: number;
  readonly receipt: Receipt;
  /** What was kept of the charge, by bucket: never more than was charged. */
  readonly kept: number[];
  open: boolean;
}

interface World {
  readonly random: Random;
  readonly limiter: LimiterUnderTest;
  readonly buckets: readonly (readonly [Policy, OracleBucket])[];
  readonly works: Work[];
  readonly tally: { allowed: number; denied: number; settled: number; indebted: number; mistakes: number };
}

// A busy machine can take longer than the usual time.
jest.setTimeout(180_000);

describe('histories of charges that are settled and refunded', () => {
  it('differ in nothing from an exact oracle, and what they keep stays within the bound', () => {
    const tally = { allowed: 0, denied: 0, settled: 0, indebted: 0, mistakes: 0 };
    histories(103, HISTORIES, (random, history) => {
      const world = makeWorld(random, history, tally);
      for (let i = 0; i < OPERATIONS_PER_HISTORY; i++) {
        world.limiter.clock.advanceMicros(awkwardWait(random, world.buckets[0]![0], 1));
        for (const [, oracle] of world.buckets) oracle.at(world.limiter.now);
        operate(world);
        compare(world);
      }
      world.buckets.forEach(([{ name }, oracle], bucket) => {
        const bound = new IntervalBound(oracle);
        for (const { atMicros, kept } of world.works) if (kept[bucket]! > 0) bound.add(atMicros, kept[bucket]!);
        if (bound.worstExcess > 0n) throw new Error(`${name}: more was kept than the bound`);
      });
    });
    // Everything is common, or the random choices below are no test.
    for (const count of Object.values(tally)) expect(count).toBeGreaterThan(HISTORIES / 3);
  });
});

function makeWorld(random: Random, history: number, tally: World['tally']): World {
  const limiter = new LimiterUnderTest(START_MICROS + random.below(1e13), { maxKeys: 8 });
  const definitions = [POLICIES[history % POLICIES.length]!, ...(random.chance(0.3) ? [random.pick(POLICIES)] : [])];
  const buckets = [...new Set(definitions)].map((definition) => policyAndOracle(definition, limiter.now));
  return { random, limiter, buckets, works: [], tally };
}

function operate(world: World): void {
  const { random, works } = world;
  const open = works.filter((work) => work.open);
  if (open.length === 0 || random.chance(0.45)) charge(world);
  else if (random.chance(0.8)) settle(world, random.pick(open));
  else refund(world, random.pick(open));
  // What was settled or refunded is so for good.
  const closed = works.find((work) => !work.open);
  if (closed !== undefined && random.chance(0.1)) {
    if (world.limiter.settle(closed.receipt, 0) || world.limiter.refund(closed.receipt))
      throw new Error('counted twice');
  }
}

function charge({ random, limiter, buckets, works, tally }: World): void {
  const costs = buckets.map(([policy]) => {
    // Greedy: asks for all there is, so that a token too many is taken at once.
    const left = random.chance(0.6) ? limiter.peek({ policy, subject: SUBJECT }).remaining : 0;
    return left > 0 ? left : random.between(1, policy.capacity);
  });
  const decision = limiter.consume(buckets.map(([policy], i) => ({ policy, subject: SUBJECT, cost: costs[i]! })));
  if (decision.allowed !== buckets.every(([, oracle], i) => oracle.holds(costs[i]!))) throw new Error('wrong decision');
  tally[decision.allowed ? 'allowed' : 'denied']++;
  if (!decision.allowed) return;
  buckets.forEach(([, oracle], i) => oracle.take(costs[i]!));
  works.push({ atMicros: limiter.now, receipt: decision.receipts[0]!, kept: costs, open: true });
}

function settle({ random, limiter, buckets, tally }: World, work: Work): void {
  if (random.chance(0.2)) {
    rejectMistake(limiter, work, random);
    tally.mistakes++;
  }
  const costs = work.receipt.charges.map((charged) => realCost(random, charged));
  const costOf = (one: Charge) => costs[work.receipt.charges.indexOf(one)]!;
  if (!limiter.settle(work.receipt, costOf)) throw new Error('was not settled');
  work.open = false;
  tally.settled++;
  work.receipt.charges.forEach((charged, i) => {
    const [policy, oracle] = buckets[i]!;
    const [charge, cost] = [charged.cost, costs[i]!];
    if (cost <= charge) oracle.giveBack(charge - cost, work.atMicros);
    else oracle.overrun(cost - charge, policy.maxDebt);
    work.kept[i] = Math.min(charge, cost);
  });
}

/** Of the last charge, when all others have been looked at. */
function rejectMistake(limiter: LimiterUnderTest, { receipt }: Work, random: Random): void {
  const wrong = random.pick([-1, 0.5, NaN, Infinity, 2 ** 53]);
  const last = receipt.charges.at(-1);
  try {
    limiter.settle(receipt, (charged) => (charged === last ? wrong : charged.cost + 1));
  } catch (error) {
    if (error instanceof InvalidChargeError) return;
    throw error;
  }
  throw new Error(`was settled with ${wrong}`);
}

function realCost(random: Random, { cost, policy }: Charge): number {
  switch (random.below(6)) {
    case 0:
      return 0;
    case 1:
      return cost;
    case 2:
      return random.below(cost);
    case 3:
      return cost + random.between(1, 3);
    case 4:
      return cost + random.below(policy.capacity + policy.maxDebt);
    default:
      return random.pick([policy.capacity + policy.maxDebt + 1, Number.MAX_SAFE_INTEGER]);
  }
}

function refund({ limiter, buckets }: World, work: Work): void {
  if (!limiter.refund(work.receipt)) throw new Error('was not refunded');
  work.open = false;
  work.receipt.charges.forEach(({ cost }, i) => {
    buckets[i]![1].giveBack(cost, work.atMicros);
    work.kept[i] = 0;
  });
}

/** Every number that the limiter tells of each bucket, and that none owes more than it may. */
function compare({ limiter, buckets, tally }: World): void {
  for (const [policy, oracle] of buckets) {
    const { debtUnits } = limiter.storage.peek([{ policy, subject: SUBJECT, cost: 1 }]);
    if (debtUnits[0]! > (policy.capacity + policy.maxDebt) * policy.tokenUnits) throw new Error('owes too much');
    if (debtUnits[0]! > policy.capacityUnits) tally.indebted++;
    const said = limiter.peek({ policy, subject: SUBJECT }).mostRestrictive;
    const wrong = difference(said, oracle.expected(1, oracle.holds(1)));
    if (wrong !== undefined) throw new Error(wrong);
  }
}
