import { Decision, PolicyDecision, together } from './decision.js';
import { Policy } from './policy.js';

const NOW_MICROS = 1_800_000_000_250_000;
const TOKEN = 1_000_000;

/** A policy of `capacity` tokens, one a second, holding `left` of them. */
function said(name: string, capacity: number, left: number, { allowed = true, cost = 1, every = 0 } = {}) {
  const steps = every === 0 ? {} : { refillEverySeconds: every };
  const policy = new Policy({ name, capacity, refillTokens: 1, refillSeconds: 1, ...steps });
  const reply = { allowed, nowMicros: NOW_MICROS, debtUnits: [(capacity - left) * TOKEN] };
  return new PolicyDecision({ policy, subject: 'user:1', cost }, allowed, reply, 0);
}

describe('PolicyDecision', () => {
  it('says whose bucket it was and what is left of it', () => {
    const decision = said('burst', 10, 2.5, { cost: 3 });
    expect(decision).toMatchObject({ subject: 'user:1', cost: 3, allowed: true, nowMicros: NOW_MICROS });
    expect(decision.policy.name).toBe('burst');
    expect(decision).toMatchObject({ remaining: 2, retryAfterMs: 0, resetAfterMs: 7500 });
    expect(decision).toMatchObject({ nextTokenAfterMs: 500, tokensWorthMs: 2500 });
  });

  it('says how long its own cost must wait', () => {
    expect(said('burst', 10, 2.5, { allowed: false, cost: 3 }).retryAfterMs).toBe(500);
    expect(said('burst', 10, 0, { allowed: false, cost: 10 }).retryAfterMs).toBe(10_000);
    expect(said('burst', 10, 10, { allowed: false, cost: 11 }).retryAfterMs).toBe(Infinity);
  });

  it('is exact to the µs and rounds up', () => {
    const policy = new Policy({ capacity: 3, refillTokens: 3, refillSeconds: 1 });
    const reply = { allowed: false, nowMicros: NOW_MICROS, debtUnits: [policy.capacityUnits] };
    const decision = new PolicyDecision({ policy, subject: 's', cost: 1 }, false, reply, 0);
    expect(decision).toMatchObject({ remaining: 0, retryAfterMs: 333.334, resetAfterMs: 1000 });
  });

  it('a full bucket has nothing to wait for', () => {
    expect(said('burst', 10, 10)).toMatchObject({ remaining: 10, resetAfterMs: 0, nextTokenAfterMs: 0 });
  });

  it('with an interval, waits for its next multiples', () => {
    // A quarter of a second into a step of five.
    expect(said('steps', 10, 3, { every: 5, allowed: false, cost: 4 })).toMatchObject({
      remaining: 3,
      retryAfterMs: 4750,
      resetAfterMs: 9750,
      nextTokenAfterMs: 4750,
    });
  });
});

describe('Decision.mostRestrictive', () => {
  const names = (allowed: boolean, ...policies: PolicyDecision[]) =>
    new Decision(allowed, policies).mostRestrictive.policy.name;

  it('allowed: the one with the least left of its capacity', () => {
    expect(names(true, said('a', 10, 5), said('b', 100, 49), said('c', 1, 1))).toBe('b');
    expect(names(true, said('a', 10, 5))).toBe('a');
  });

  it('denied: the one with the longest wait, whatever is left', () => {
    const short = said('short', 100, 0, { allowed: false });
    const long = said('long', 10, 2, { allowed: false, cost: 9 });
    const fits = said('fits', 1000, 1);
    expect(names(false, fits, short, long)).toBe('long');
    expect(names(false, long, short, fits)).toBe('long');
    expect(names(false, short, said('never', 10, 10, { allowed: false, cost: 11 }), long)).toBe('never');
  });

  it('ties go to the least left of the capacity, then to the earlier declared', () => {
    const denied = (name: string, capacity: number) => said(name, capacity, 0, { allowed: false });
    expect(names(false, denied('a', 10), denied('b', 20), denied('c', 5))).toBe('a');
    expect(names(true, said('a', 10, 5), said('b', 20, 10), said('c', 2, 1))).toBe('a');
    const never = (name: string, left: number) => said(name, 10, left, { allowed: false, cost: 99 });
    expect(names(false, never('a', 5), never('b', 5), never('c', 4))).toBe('c');
    expect(names(false, never('a', 5), never('b', 5))).toBe('a');
  });

  it('gives the decision its numbers', () => {
    const decision = new Decision(false, [said('a', 10, 5), said('b', 10, 2.5, { allowed: false, cost: 3 })]);
    expect(decision).toMatchObject({ allowed: false, remaining: 2, retryAfterMs: 500, resetAfterMs: 7500 });
  });
});

describe('receipts', () => {
  it('are made for all policies at once when none were given, and stay the same', () => {
    const policies = [said('a', 10, 5), said('b', 10, 5, { cost: 2 })];
    const decision = new Decision(true, policies);
    expect(decision.receipts).toHaveLength(1);
    expect(decision.receipts).toBe(decision.receipts);
    expect(decision.receipts[0]).toMatchObject({ takenAtMicros: NOW_MICROS });
    expect(decision.receipts[0]!.charges).toEqual(
      policies.map(({ policy, subject, cost }) => ({ policy, subject, cost })),
    );
    expect(new Decision(true, policies, []).receipts).toEqual([]);
  });
});

describe('two decisions as one', () => {
  const yes = new Decision(true, [said('a', 10, 5)]);
  const alsoYes = new Decision(true, [said('b', 10, 1)]);
  const no = new Decision(false, [said('c', 10, 0, { allowed: false })], []);

  it('are allowed if both are, with the policies and receipts of both in order', () => {
    const both = together(yes, alsoYes);
    expect(both.allowed).toBe(true);
    expect(both.policies).toEqual([...yes.policies, ...alsoYes.policies]);
    expect(both.receipts).toEqual([...yes.receipts, ...alsoYes.receipts]);
    expect(both.mostRestrictive.policy.name).toBe('b');
  });

  it('leave no receipts if one is denied', () => {
    const both = together(yes, no);
    expect(both).toMatchObject({ allowed: false, receipts: [] });
    expect(both.mostRestrictive.policy.name).toBe('c');
  });
});
