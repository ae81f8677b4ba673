import { ALGORITHMS } from './algorithm.js';
import type { PolicyDefinition } from './bucket-shape.js';
import { RateLimitConfigurationError } from './errors.js';
import { Policy } from './policy.js';

function messageOf(definition: unknown): string {
  try {
    return `accepted: ${JSON.stringify(new Policy(definition as PolicyDefinition, 'here'))}`;
  } catch (error) {
    if (!(error instanceof RateLimitConfigurationError)) throw error;
    return error.message;
  }
}

describe('an algorithm', () => {
  it.each<[PolicyDefinition, object]>([
    [
      { capacity: 100, perSeconds: 60 },
      { algorithm: 'token-bucket', capacity: 100, perSeconds: 60, quota: 100, quotaSeconds: 60, windowMicros: 0 },
    ],
    [
      { capacity: 10, refillTokens: 3, refillSeconds: 1, algorithm: 'token-bucket' },
      { quota: 10, quotaSeconds: 4, tokenUnits: 1_000_000, stateId: 'default' },
    ],
    [
      { capacity: 100, perSeconds: 60, algorithm: 'fixed-window' },
      { intervalMicros: 60_000_000, refillTokens: 1, refillMicros: 600_000, tokenUnits: 600_000, stateId: 'default' },
    ],
    [
      { capacity: 90, perSeconds: 60, algorithm: 'leaky-bucket' },
      { capacity: 1, perSeconds: 1, quota: 90, quotaSeconds: 60, refillTokens: 3, refillMicros: 2_000_000 },
    ],
    [
      { capacity: 9999, perSeconds: 31_622_400, algorithm: 'sliding-window-log' },
      { tokenUnits: 1, capacityUnits: 9999, windowMicros: 31_622_400_000_000, stateId: 'default~log' },
    ],
    [
      { capacity: 7, perSeconds: 60, algorithm: 'sliding-window-counter' },
      { tokenUnits: 60_000_000, capacityUnits: 420_000_000, windowMicros: 60_000_000, stateId: 'default~counter' },
    ],
    [
      // In µs 10^5 × a day would pass 2^51: counted by ms.
      { capacity: 100_000, perSeconds: 86_400, algorithm: 'sliding-window-counter' },
      { tokenUnits: 86_400_000, capacityUnits: 8_640_000_000_000, windowMicros: 86_400_000_000 },
    ],
  ])('%j has the numbers %j', (definition, expected) => {
    expect(new Policy(definition)).toMatchObject(expected);
  });

  it('is part of what policies agree on, and of the id of a state that others cannot read', () => {
    const policies = ALGORITHMS.map((algorithm) => new Policy({ place: 'p', capacity: 1, perSeconds: 60, algorithm }));
    for (const one of policies) {
      for (const other of policies) expect(one.agreesWith(other)).toBe(one === other);
    }
    expect(policies.map(({ id }) => id)).toEqual(ALGORITHMS.map(() => 'p/default'));
    expect(policies.map(({ stateId }) => stateId)).toEqual([
      ...['p/default', 'p/default', 'p/default'],
      ...['p/default~log', 'p/default~counter'],
    ]);
  });

  it.each([
    ['sliding', '"sliding"'],
    [null, 'null'],
    ['', '""'],
    [1, '1'],
    ['toString', '"toString"'],
  ])('is not %p', (algorithm, shown) => {
    expect(messageOf({ capacity: 1, perSeconds: 1, algorithm })).toBe(
      `Policy "default" (here): algorithm is ${shown}. Remedy: use one of "token-bucket", "fixed-window", ` +
        '"leaky-bucket", "sliding-window-log", "sliding-window-counter".',
    );
  });

  it.each(ALGORITHMS.slice(1))('%s takes capacity and perSeconds alone', (algorithm) => {
    for (const [option, more] of [
      ['refillTokens', { refillTokens: 1, refillSeconds: 1 }],
      ['refillSeconds', { perSeconds: 60, refillSeconds: 1 }],
      ['refillEverySeconds', { perSeconds: 60, refillEverySeconds: 60 }],
    ] as const) {
      expect(messageOf({ capacity: 1, algorithm, ...more })).toContain(
        `${option} (${more[option as keyof typeof more] as number}) stands beside algorithm "${algorithm}", which is described by capacity and ` +
          `perSeconds alone. Remedy: leave out ${option}, or leave out algorithm for a token bucket.`,
      );
    }
    expect(messageOf({ capacity: 1, algorithm })).toContain('the refill is missing');
    expect(messageOf({ capacity: 0, perSeconds: 1, algorithm })).toContain('capacity is 0; expected an integer');
  });

  it('that keeps every charge has at most 10 000 of them', () => {
    const shape = { perSeconds: 1, algorithm: 'sliding-window-log' };
    expect(messageOf({ ...shape, capacity: 10_000 })).toMatch(/^accepted/);
    expect(messageOf({ ...shape, capacity: 10_001 })).toBe(
      'Policy "default" (here): capacity is 10001; expected at most 10000 with algorithm "sliding-window-log", which ' +
        'keeps every charge of the window. Remedy: use "sliding-window-counter", which keeps two numbers at any ' +
        'capacity, or a smaller capacity.',
    );
  });

  it('that counts exactly says where it cannot', () => {
    const counter = { perSeconds: 86_400, algorithm: 'sliding-window-counter' };
    expect(messageOf({ ...counter, capacity: 26_062_497 })).toMatch(/^accepted/);
    expect(messageOf({ ...counter, capacity: 26_062_498 })).toMatch(
      /too fine to count exactly: capacity × period in ms is 2251799827200000; expected at most 2\^51\. Remedy: choose a smaller capacity/,
    );
    expect(messageOf({ capacity: 999_983, perSeconds: 86_400, algorithm: 'fixed-window' })).toContain('too fine');
    expect(messageOf({ capacity: 999_983, perSeconds: 86_400, algorithm: 'leaky-bucket' })).toMatch(/^accepted/);
  });
});
