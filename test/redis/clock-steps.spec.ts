import type { Algorithm } from '../../src/core/algorithm.js';
import type { Decision } from '../../src/core/decision.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimiter } from '../../src/core/rate-limiter.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { storageAtClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

/** 2150-01-01: ahead of every server's clock, however far it is set back here. */
const START_MICROS = 5_680_281_600_000_000;
const SECOND = 1_000_000;
const YEAR_MICROS = 366 * 86_400 * SECOND;
const HISTORIES = 5;
const OPERATIONS = 120;
const SUBJECT = 'user:1';

const by = (algorithm: Algorithm) => new Policy({ name: algorithm, capacity: 10, perSeconds: 60, algorithm });
const POLICIES: readonly Policy[] = [
  by('token-bucket'),
  new Policy({ name: 'with-remainder', capacity: 7, refillTokens: 3, refillSeconds: 11 }),
  new Policy({ name: 'in-steps', capacity: 6, perSeconds: 60, refillEverySeconds: 20 }),
  by('fixed-window'),
  by('leaky-bucket'),
  by('sliding-window-log'),
  by('sliding-window-counter'),
];

/** What the storage's clock does beside running. */
type Stepping = 'set back' | 'set forward' | 'set back and forward';

/** An event of a history: what was admitted, or by how much the clock was set, in order. */
interface Event {
  /** By a clock that nobody sets. */
  readonly at: number;
  readonly admitted?: number;
  readonly stepMicros?: number;
}

const client = plainClient();
const prefix = uniquePrefix();
const random = new SeededRandom(seedOfThisRun());
let histories = 0;

afterAll(async () => {
  await deleteUnder(client, prefix);
  await client.quit();
});

/** The µs in which an empty bucket becomes full, at the longest. */
function longestMicros({ algorithm, windowMicros, capacityUnits, refillTokens, intervalMicros }: Policy): number {
  if (windowMicros > 0) return algorithm === 'sliding-window-log' ? windowMicros : 2 * windowMicros;
  if (intervalMicros === 0) return Math.ceil(capacityUnits / refillTokens);
  return Math.ceil(capacityUnits / (refillTokens * intervalMicros)) * intervalMicros;
}

/** Units that are admitted at most from one instant to another, both included, if the clock is never set. */
function mostUnits(policy: Policy, micros: number): number {
  const { algorithm, windowMicros, capacity, capacityUnits, refillTokens, intervalMicros } = policy;
  if (algorithm === 'sliding-window-log') return capacity * (Math.floor(micros / windowMicros) + 1);
  if (windowMicros > 0) return capacityUnits + capacity * micros;
  if (intervalMicros === 0) return capacityUnits + refillTokens * micros;
  return capacityUnits + refillTokens * intervalMicros * (Math.floor(micros / intervalMicros) + 1);
}

/**
 * The same with steps forward: one by f is at most an interval that is longer by f, and at most an end and a beginning
 * anew. Steps back add nothing.
 */
function mostUnitsWith(policy: Policy, micros: number, steps: readonly number[]): number {
  const { capacityUnits, refillTokens, intervalMicros } = policy;
  const longest = longestMicros(policy);
  const short = steps.filter((step) => step > 0 && step < longest).reduce((sum, step) => sum + step, 0);
  const anew = capacityUnits + refillTokens * (policy.windowMicros > 0 ? 0 : intervalMicros);
  return mostUnits(policy, micros + short) + steps.filter((step) => step >= longest).length * anew;
}

/** Fails where more was admitted in any interval; answers whether in any it was more than without steps. */
function checkBounds(policy: Policy, events: readonly Event[]): boolean {
  let isHelped = false;
  for (let from = 0; from < events.length; from++) {
    if (events[from]!.admitted === undefined) continue;
    const steps: number[] = [];
    let units = 0;
    for (let to = from; to < events.length; to++) {
      const { at, admitted = 0, stepMicros } = events[to]!;
      if (stepMicros !== undefined) steps.push(stepMicros);
      units += admitted * policy.tokenUnits;
      const micros = at - events[from]!.at;
      if (units > mostUnits(policy, micros)) isHelped = true;
      const most = mostUnitsWith(policy, micros, steps);
      if (units <= most) continue;
      const said = `${units / policy.tokenUnits} admitted in ${micros} µs, at most ${most / policy.tokenUnits}`;
      throw new Error(`seed ${random.seed}, ${policy.name}, history ${histories}: ${said}; steps: ${steps.join(' ')}`);
    }
  }
  return isHelped;
}

function stepMicros(stepping: Stepping, policy: Policy): number {
  const longest = longestMicros(policy);
  const far = random.next() < 0.1 ? 5 * YEAR_MICROS : longest;
  const size = random.pick([1, 1000, random.integer(1, longest), random.integer(1, longest), longest + 1, far]);
  if (stepping === 'set back') return -size;
  return stepping === 'set forward' || random.next() < 0.5 ? size : -size;
}

const numbersOf = ({ allowed, policies: [only] }: Decision) => [
  ...[allowed, only!.nowMicros, only!.remaining],
  ...[only!.retryAfterMs, only!.resetAfterMs, only!.nextTokenAfterMs, only!.tokensWorthMs],
];

/** One bucket in memory and one in Redis by the same clock, which say the same. */
class Both {
  readonly clock = new ManualClock(START_MICROS + random.integer(0, YEAR_MICROS));
  private readonly memory = new RateLimiter(new MemoryStorage({ clock: this.clock }));
  private readonly redis = new RateLimiter(
    storageAtClock(client, this.clock, { prefix: `${prefix}${histories}:`, denyCache: false }),
  );

  constructor(private readonly policy: Policy) {}

  async ask(question: 'consume' | 'peek', cost: number): Promise<Decision> {
    const charge = { policy: this.policy, subject: SUBJECT, cost };
    const [expected, said] = [await this.memory[question](charge), await this.redis[question](charge)];
    expect([random.seed, this.policy.name, numbersOf(said)]).toEqual([
      random.seed,
      this.policy.name,
      numbersOf(expected),
    ]);
    return said;
  }
}

/** Takes all there is whenever there is something, while the clock is set; answers what happened. */
async function history(stepping: Stepping, policy: Policy): Promise<{ events: Event[]; longerMicros: number }> {
  histories++;
  const both = new Both(policy);
  const { clock } = both;
  const longest = longestMicros(policy);
  const events: Event[] = [];
  let [at, highest, longerMicros, toldMicros] = [0, 0, 0, 0];
  const advance = (micros: number) => {
    at += micros;
    clock.advanceMicros(micros);
  };
  for (let operation = 0; operation < OPERATIONS; operation++) {
    advance(
      random.pick([0, 1, random.integer(0, longest), random.integer(0, 2 * SECOND), Math.min(toldMicros, longest)]),
    );
    highest = Math.max(highest, clock.nowMicros());
    if (random.next() < 0.1) {
      const micros = stepMicros(stepping, policy);
      events.push({ at, stepMicros: micros });
      clock.advanceMicros(micros);
      highest = Math.max(highest, clock.nowMicros());
    }
    const { remaining } = await both.ask('peek', 1);
    const cost = remaining > 0 && random.next() < 0.6 ? remaining : 1;
    const decision = await both.ask('consume', cost);
    if (decision.allowed) events.push({ at, admitted: cost });
    const resetMicros = Math.round(decision.resetAfterMs * 1000);
    // Nobody waits longer for it than by as much as the clock is behind the latest that it ever said.
    expect(resetMicros).toBeLessThanOrEqual(longest + highest - clock.nowMicros());
    longerMicros = Math.max(longerMicros, resetMicros - longest);
    toldMicros = Math.round(decision.retryAfterMs * 1000);
    if (decision.allowed || random.next() < 0.7 || toldMicros > 10 * longest) continue;
    advance(toldMicros - 1);
    expect((await both.ask('peek', cost)).allowed).toBe(false);
    advance(1);
    expect((await both.ask('peek', cost)).allowed).toBe(true);
  }
  return { events, longerMicros };
}

describe.each<[Stepping]>([['set back'], ['set forward'], ['set back and forward']])(
  'a clock that is %s',
  (stepping) => {
    test.each(POLICIES.map((policy) => [policy.name, policy] as const))(
      'adds to %s no more than the README says',
      async (_, policy) => {
        const seen = { admissions: 0, helped: 0, longer: 0 };
        for (let i = 0; i < HISTORIES; i++) {
          const { events, longerMicros } = await history(stepping, policy);
          seen.admissions += events.filter(({ admitted }) => admitted !== undefined).length;
          if (checkBounds(policy, events)) seen.helped++;
          if (longerMicros > 0) seen.longer++;
        }
        console.log(`${stepping}, ${policy.name}, seed ${random.seed}:`, seen);
        expect(seen.admissions).toBeGreaterThan(HISTORIES);
        // Idle bounds would prove nothing.
        if (stepping === 'set back') expect(seen.helped).toBe(0);
        else expect(seen.helped).toBeGreaterThan(0);
        if (stepping === 'set forward') expect(seen.longer).toBe(0);
        else expect(seen.longer).toBeGreaterThan(0);
      },
      60_000,
    );
  },
);
