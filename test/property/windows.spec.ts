import { Policy } from '../../src/core/policy.js';
import type { Receipt } from '../../src/core/decision.js';
import { awkwardCost, difference, LimiterUnderTest } from './support/limiter-under-test.js';
import { histories, type Random } from './support/random.js';
import { type WindowOracle, windowOracle } from './support/window-oracles.js';
import { WINDOW_POLICIES } from './support/window-policies.js';

const OPERATIONS = 100_000;
const OPERATIONS_PER_HISTORY = 250;
const START_MICROS = 1_700_000_000_000_000;

interface OneWindow {
  readonly policy: Policy;
  readonly oracle: WindowOracle;
  readonly subject: string;
}

interface Given {
  readonly receipt: Receipt;
  readonly charges: readonly (OneWindow & { readonly cost: number })[];
}

// A busy machine can take longer than the usual time.
jest.setTimeout(180_000);

describe('sliding windows against an exact oracle', () => {
  it(`${OPERATIONS} operations differ in nothing: decision, remaining, waits; charges, refunds, resets, grants and debts`, () => {
    const tally = { operations: 0, allowed: 0, denied: 0, refunds: 0, resets: 0, owings: 0, grants: 0 };
    histories(20_261_121, OPERATIONS / OPERATIONS_PER_HISTORY, (random, history) => {
      const limiter = new LimiterUnderTest(START_MICROS + random.below(1e14));
      const windows = someWindows(random, history);
      const given: Given[] = [];
      let toldMicros = 1;
      for (let i = 0; i < OPERATIONS_PER_HISTORY; i++) {
        limiter.clock.advanceMicros(wait(random, windows[0]!.policy, limiter.now, toldMicros));
        for (const { oracle } of windows) oracle.at(limiter.now);
        toldMicros = operate(random, limiter, windows, given, tally);
        tally.operations++;
      }
    });
    expect(tally.operations).toBe(OPERATIONS);
    expect(Math.min(tally.allowed, tally.denied)).toBeGreaterThan(OPERATIONS / 10);
    expect(Math.min(tally.refunds, tally.resets, tally.owings, tally.grants)).toBeGreaterThan(OPERATIONS / 500);
  });
});

function someWindows(random: Random, history: number): OneWindow[] {
  const first = WINDOW_POLICIES[history % WINDOW_POLICIES.length]!;
  const others = Array.from({ length: random.below(3) }, () => random.pick(WINDOW_POLICIES));
  return [first, ...others].map((definition, i) => ({
    policy: new Policy(definition),
    oracle: windowOracle(definition),
    subject: `user:${i}`,
  }));
}

/** Waits that find faults: none, one µs, next to a boundary, next to a time that was told, part of a window, beyond. */
function wait(random: Random, { windowMicros, capacity }: Policy, now: number, toldMicros: number): number {
  const toBoundary = windowMicros - (now % windowMicros);
  switch (random.below(10)) {
    case 0:
      return 1;
    case 1:
      return random.below(Math.ceil((2 * windowMicros) / capacity) + 1);
    case 2:
      return random.below(windowMicros);
    case 3:
      return random.chance(0.1) ? 2 * windowMicros + random.between(-1, 1) : 0;
    case 4:
      return Math.max(0, toBoundary + random.between(-1, 1));
    case 5:
    case 6:
      return Number.isFinite(toldMicros) ? Math.max(0, toldMicros + random.between(-1, 1)) : 1;
    default:
      return 0;
  }
}

/** One question to limiter and oracle; answers the µs that the limiter told to wait. */
function operate(
  random: Random,
  limiter: LimiterUnderTest,
  windows: readonly OneWindow[],
  given: Given[],
  tally: { allowed: number; denied: number; refunds: number; resets: number; owings: number; grants: number },
): number {
  const asked = random.chance(0.7) ? [windows[0]!] : windows;
  if (random.chance(0.01)) {
    limiter.reset(asked);
    for (const { oracle } of asked) oracle.fill();
    given.length = 0;
    tally.resets++;
    return 1;
  }
  if (random.chance(0.01)) {
    limiter.storage.owe(
      asked.map(({ policy, subject, oracle }) => {
        const debtUnits = random.between(1, policy.capacityUnits);
        oracle.owe(Math.ceil(debtUnits / policy.tokenUnits));
        return { policy, subject, debtUnits };
      }),
    );
    tally.owings++;
    return 1;
  }
  if (random.chance(0.02)) {
    const { policy, subject, oracle } = random.pick(asked);
    const tokens = random.between(
      1,
      random.chance(0.5) ? Math.min(3, policy.capacity) : Math.min(1000, policy.capacity),
    );
    limiter.grant({ policy, subject }, tokens);
    oracle.grant(tokens);
    // Whose charges were granted for, counters do not know.
    given.length = 0;
    tally.grants++;
    return 1;
  }
  if (given.length > 0 && random.chance(0.15)) {
    // Most often one of the latest, which is still in the window.
    const at = random.chance(0.7) ? given.length - 1 : random.below(given.length);
    const [{ receipt, charges }] = given.splice(at, 1) as [Given];
    limiter.refund(receipt);
    for (const { oracle, cost } of charges) oracle.giveBack(cost, receipt.takenAtMicros);
    tally.refunds++;
    return 0;
  }
  const charges = asked.map((one) => ({ ...one, cost: awkwardCost(random, one.policy.capacity) }));
  const peeks = random.chance(0.2);
  const decision = peeks ? limiter.peek(charges) : limiter.consume(charges);

  const fits = charges.map(({ oracle, cost }) => oracle.holds(cost));
  const allowed = fits.every(Boolean);
  if (decision.allowed !== allowed) throw new Error(`the request was ${decision.allowed ? 'allowed' : 'denied'}`);
  tally[allowed ? 'allowed' : 'denied']++;
  charges.forEach(({ oracle, cost }, i) => {
    if (allowed && !peeks) oracle.take(cost);
    const expected = oracle.expected(cost, fits[i]!);
    const said = decision.policies[i]!;
    const wrong = difference(said, expected);
    if (wrong !== undefined) throw new Error(wrong);
    const worth = Number(expected.tokensWorth) / 1000;
    if (said.tokensWorthMs !== worth) throw new Error(`tokens worth ${said.tokensWorthMs} ms, should be ${worth}`);
  });
  if (allowed && !peeks) given.push({ receipt: decision.receipts[0]!, charges });
  return Math.round((random.chance(0.5) ? decision.retryAfterMs : decision.resetAfterMs) * 1000);
}
