import * as fc from 'fast-check';
import { parseList } from 'structured-headers';
import { Decision, PolicyDecision } from '../../core/decision.js';
import type { PolicyDefinition } from '../../core/bucket-shape.js';
import { Policy } from '../../core/policy.js';
import { headerFields } from './header-fields.js';
import { resolveHeadersOptions } from './headers.options.js';

const OPTIONS = resolveHeadersOptions({ legacy: { policy: true } }, 'test');
const RUNS = { numRuns: 1000 };

const seconds = fc.oneof(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 31_622_400 }));
const tokens = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 2 ** 51 }));
const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/);
const shape: fc.Arbitrary<PolicyDefinition> = fc.oneof(
  fc.record({ capacity: tokens, perSeconds: seconds, refillEverySeconds: fc.option(seconds, { nil: undefined }) }),
  fc.record({ capacity: tokens, refillTokens: tokens, refillSeconds: seconds }),
);

/** Valid policies only: many random numbers have no exact bucket. */
const policy = fc
  .tuple(fc.oneof(fc.constantFrom('default', 'burst', 'Burst'), name), fc.constantFrom('', 'a', 'b'), shape)
  .map(([name, place, shape]) => {
    try {
      return new Policy({ ...shape, name, place });
    } catch {
      return new Policy({ capacity: 10, perSeconds: 60, name, place });
    }
  });

const bucket = fc.record({
  policy,
  debt: fc.double({ min: 0, max: 1, noNaN: true }),
  cost: fc.double({ min: 0, max: 1.2, noNaN: true }),
  nowMicros: fc.integer({ min: 1_800_000_000_000_000, max: 1_900_000_000_000_000 }),
});

const policyDecision = (allowed: boolean) =>
  bucket.map(({ policy, debt, cost, nowMicros }) => {
    const charge = { policy, subject: 'ip:203.0.113.7', cost: Math.max(1, Math.floor(cost * policy.capacity)) };
    const debtUnits = Math.round(debt * policy.capacityUnits);
    const fits = debtUnits + charge.cost * policy.refillMicros <= policy.capacityUnits;
    const reply = { allowed, nowMicros, debtUnits: [debtUnits] };
    return new PolicyDecision(charge, allowed || fits, reply, 0);
  });

const decision = (allowed: boolean) =>
  fc
    // As on a route, where no two names are alike.
    .uniqueArray(policyDecision(allowed), {
      minLength: 1,
      maxLength: 4,
      selector: ({ policy }) => policy.name.toLowerCase(),
    })
    .filter((policies) => allowed || policies.some((one) => !one.allowed))
    .map((policies) => new Decision(allowed, policies, []));

interface Member {
  readonly name: string;
  readonly numbers: Readonly<Record<string, number>>;
}

function headersOf(decision: Decision): Map<string, string> {
  const fields = headerFields(decision, OPTIONS, (nowMicros) => nowMicros);
  expect(new Set(fields.map(([field]) => field)).size).toBe(fields.length);
  for (const [, value] of fields) expect(value).toMatch(/^[\x21-\x7e]+( [\x21-\x7e]+)*$/);
  return new Map(fields);
}

function members(value: string | undefined): readonly Member[] {
  const list = parseList(value!).map(([name, parameters]) => {
    for (const number of parameters.values()) expect(Number.isInteger(number)).toBe(true);
    return { name: name as string, numbers: Object.fromEntries(parameters) as Member['numbers'] };
  });
  expect(value).toMatch(/^"[\w.-]+"(;[a-z]=\d{1,15})+(, "[\w.-]+"(;[a-z]=\d{1,15})+)*$/);
  expect(new Set(list.map(({ name }) => name.toLowerCase())).size).toBe(list.length);
  return list;
}

describe('header fields of any decision', () => {
  it('parse, and never promise more than the refill of the policy', () => {
    fc.assert(
      fc.property(decision(true), (decision) => {
        const headers = headersOf(decision);
        const quotas = members(headers.get('RateLimit-Policy'));
        const states = members(headers.get('RateLimit'));
        expect(states.map(({ name }) => name)).toEqual(quotas.map(({ name }) => name));
        expect(headers.has('Retry-After')).toBe(false);
        quotas.forEach((quota, i) => {
          const { q = NaN, w = NaN } = quota.numbers;
          const { r = NaN, t = NaN } = states[i]!.numbers;
          expect(w).toBeGreaterThanOrEqual(1);
          expect(r).toBeLessThanOrEqual(q);
          expect(t).toBeGreaterThanOrEqual(1);
          const { name, refillTokens, refillMicros } = decision.policies[i]!.policy;
          expect(quota.name).toBe(name);
          // r tokens arrive within t seconds: r/t ≤ refill rate, which is q/w but for the rounding of w.
          const keeps = BigInt(r) * BigInt(refillMicros) <= BigInt(refillTokens) * BigInt(t) * 1_000_000n;
          expect(keeps).toBe(true);
        });
      }),
      RUNS,
    );
  });

  it('of a refusal parse, and no window ends after Retry-After', () => {
    fc.assert(
      fc.property(decision(false), (decision) => {
        const headers = headersOf(decision);
        const quotas = new Map(members(headers.get('RateLimit-Policy')).map(({ name, numbers }) => [name, numbers]));
        const states = members(headers.get('RateLimit'));
        expect(headers.get('Cache-Control')).toBe('no-store');
        const retryAfter = headers.get('Retry-After');
        const seconds = retryAfter === undefined ? Infinity : Number(retryAfter);
        expect(retryAfter ?? '1').toMatch(/^[1-9]\d*$/);
        // Infinity on both sides where no wait would help.
        expect(seconds).toBe(Math.ceil(decision.retryAfterMs / 1000));
        for (const { name, numbers } of states) {
          expect(numbers['r']).toBeLessThanOrEqual(quotas.get(name)!['q']!);
          expect(numbers['t'] ?? 1).toBeGreaterThanOrEqual(1);
          expect(numbers['t'] ?? 1).toBeLessThanOrEqual(seconds);
        }
      }),
      RUNS,
    );
  });

  it('name the next token within one refill of it and never before now', () => {
    fc.assert(
      fc.property(decision(true), (decision) => {
        const binding = decision.mostRestrictive;
        const reset = Number(headersOf(decision).get('X-RateLimit-Reset'));
        const nowSeconds = binding.nowMicros / 1_000_000;
        expect(Number.isInteger(reset)).toBe(true);
        expect(reset).toBeGreaterThanOrEqual(nowSeconds);
        const wait = binding.nextTokenAfterMs / 1000;
        expect(reset).toBeLessThan(nowSeconds + wait + 1.000_001);
      }),
      RUNS,
    );
  });
});
