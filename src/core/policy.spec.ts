import type { PolicyDefinition } from './bucket-shape.js';
import { RateLimitConfigurationError } from './errors.js';
import { placeOf, Policy } from './policy.js';

function messageOf(definition: unknown, where?: string): string {
  try {
    return `accepted: ${JSON.stringify(new Policy(definition as PolicyDefinition, where))}`;
  } catch (error) {
    if (!(error instanceof RateLimitConfigurationError)) throw error;
    return error.message;
  }
}

describe('a valid policy', () => {
  it('is called default and belongs to the application unless told otherwise', () => {
    const policy = new Policy({ capacity: 100, perSeconds: 60 });
    expect(policy).toMatchObject({ name: 'default', place: '', id: 'default', capacity: 100, perSeconds: 60 });
    expect(new Policy({ name: 'burst', place: 'a/b', capacity: 1, perSeconds: 1 }).id).toBe('a/b/burst');
  });

  it.each([
    [
      { capacity: 100, perSeconds: 60 },
      { refillTokens: 1, refillMicros: 600_000, capacityUnits: 60_000_000 },
    ],
    [
      { capacity: 7, perSeconds: 60 },
      { refillTokens: 7, refillMicros: 60_000_000, capacityUnits: 420_000_000 },
    ],
    [
      { capacity: 10, refillTokens: 2, refillSeconds: 1 },
      { refillTokens: 1, refillMicros: 500_000, perSeconds: 5 },
    ],
    [{ capacity: 10, refillTokens: 3, refillSeconds: 1 }, { perSeconds: 4 }],
    [
      { capacity: 2_000_000, perSeconds: 1 },
      { refillTokens: 2, refillMicros: 1 },
    ],
    [{ capacity: 5, perSeconds: 5, refillEverySeconds: 1 }, { intervalMicros: 1_000_000 }],
    [{ capacity: 5, perSeconds: 5 }, { intervalMicros: 0 }],
  ])('%j is reduced to %j', (definition, expected) => {
    expect(new Policy(definition)).toMatchObject(expected);
  });

  it.each<PolicyDefinition>([
    { capacity: 1, perSeconds: 1 },
    { capacity: 1, perSeconds: 31_622_400 },
    { capacity: 2_251_799_813, refillTokens: 1, refillSeconds: 1 },
    { capacity: 2 ** 51, refillTokens: 1_000_000, refillSeconds: 1 },
    { capacity: 1, refillTokens: 2 ** 51, refillSeconds: 1 },
    { capacity: 4, refillTokens: 3, refillSeconds: 2, refillEverySeconds: 10 },
    { capacity: 1, perSeconds: 1, name: 'a' },
    { capacity: 1, perSeconds: 1, place: 'tenant 7/{x}\0/\ud83d\ude00' },
    { capacity: 1, perSeconds: 1, name: 'A'.padEnd(64, '0_.-') },
  ])('%j is just within the bounds', (definition) => {
    expect(messageOf(definition)).toMatch(/^accepted/);
  });

  it('agrees with one that describes the same bucket, and with no other', () => {
    const shape = { place: 'p', capacity: 10, perSeconds: 5 };
    const policy = new Policy(shape);
    expect(policy.agreesWith(new Policy({ place: 'p', capacity: 10, refillTokens: 4, refillSeconds: 2 }))).toBe(true);
    for (const other of [
      { ...shape, place: 'q' },
      { ...shape, name: 'other' },
      { ...shape, capacity: 20 },
      { ...shape, perSeconds: 6 },
      { ...shape, refillEverySeconds: 1 },
      { place: 'p', capacity: 10, refillTokens: 3, refillSeconds: 2 },
    ]) {
      expect(policy.agreesWith(new Policy(other))).toBe(false);
    }
  });
});

describe('an invalid policy names the value, the place and the remedy', () => {
  const integerRemedy =
    /Remedy: (write \w+ as a whole number of (tokens|seconds)|choose at least 1|choose a smaller \w+)[.;]/;
  const from1 = (option: string, value: string) => `${option} is ${value}; expected an integer from 1 to `;

  const noIntegers: [unknown, string][] = [
    ...[0, -1, 0.5, NaN, Infinity, 2 ** 53, null, undefined, true].map((value): [unknown, string] => [
      value,
      String(value),
    ]),
    [{}, '{}'],
  ];

  it.each(noIntegers)('capacity %p', (capacity, shown) => {
    const message = messageOf({ capacity, perSeconds: 60 }, '@RateLimit on Reports.list');
    expect(message).toContain('Policy "default" (@RateLimit on Reports.list): ');
    expect(message).toContain(from1('capacity', shown));
    expect(message).toMatch(integerRemedy);
  });

  it.each([0, -60, 1.5, NaN, Infinity, 31_622_401, null])('perSeconds %p', (perSeconds) => {
    const message = messageOf({ name: 'hourly', capacity: 1, perSeconds });
    expect(message).toContain('Policy "hourly" (new Policy): ');
    expect(message).toContain(`${from1('perSeconds', String(perSeconds))}31622400`);
    expect(message).toMatch(integerRemedy);
  });

  it.each([
    [{ refillTokens: 0, refillSeconds: 1 }, from1('refillTokens', '0')],
    [{ refillTokens: 2 ** 51 + 2, refillSeconds: 1 }, from1('refillTokens', String(2 ** 51 + 2))],
    [{ refillTokens: 1.5, refillSeconds: 1 }, from1('refillTokens', '1.5')],
    [{ refillTokens: 1, refillSeconds: 0 }, from1('refillSeconds', '0')],
    [{ refillTokens: 1, refillSeconds: 31_622_401 }, from1('refillSeconds', '31622401')],
    [{ refillTokens: 1 }, from1('refillSeconds', 'undefined')],
    [{ refillSeconds: 1 }, from1('refillTokens', 'undefined')],
  ])('%j', (refill, problem) => {
    const message = messageOf({ capacity: 10, ...refill });
    expect(message).toContain(problem);
    expect(message).toMatch(integerRemedy);
  });

  it('a number written as text, as it comes from the environment', () => {
    expect(messageOf({ capacity: '100', perSeconds: 60 })).toMatch(
      /capacity is "100"; .* Remedy: pass a number, .*Number\(/,
    );
  });

  it('no refill, and two', () => {
    expect(messageOf({ capacity: 5 })).toMatch(
      /the refill is missing\. Remedy: add perSeconds .* or refillTokens and refillSec/,
    );
    expect(messageOf({ capacity: 5, perSeconds: 9, refillTokens: 1 })).toMatch(
      /perSeconds \(9\) stands beside refillTokens .* Remedy: state the refill once/,
    );
  });

  it.each(['', '1a', ' a', 'a b', 'a/b', 'ä', 'a\n', 'a'.repeat(65), 7, null])('name %p', (name) => {
    const message = messageOf({ name, capacity: 1, perSeconds: 1 }, 'policies');
    // A name of null is taken as none.
    if (name === null) return expect(message).toMatch(/^accepted/);
    expect(message).toContain('(policies): the name is ');
    expect(message).toContain(String(name).slice(0, 60).replace('\n', '\\n'));
    expect(message).toMatch(/Remedy: rename the policy/);
  });

  it.each([
    [7, 'the place is 7; expected a string', 'write where the policy applies'],
    [['a', 'b'], 'the place is ["a","b"]; expected a string', 'write where the policy applies'],
    [
      'tenant-\ud83d',
      'the place is "tenant-\\ud83d", which holds half of a character',
      'make it of text that was not cut within a',
    ],
    ['\ude00\ud83d', 'the place is "\\ude00\\ud83d", which holds half', 'make it of text'],
  ])('place %p', (place, problem, remedy) => {
    const message = messageOf({ place, capacity: 1, perSeconds: 1 }, 'policies');
    expect(message).toContain(`Policy "default" (policies): ${problem}`);
    expect(message).toContain(`Remedy: ${remedy}`);
  });

  it.each([['bytes'], [''], [null], [1]])('unit %p', (unit) => {
    const message = messageOf({ quotaUnit: unit, capacity: 1, perSeconds: 1 }, 'policies');
    expect(message).toContain(`quotaUnit is ${JSON.stringify(unit)}. Remedy: use one of "requests", "content-bytes"`);
  });

  it.each([
    [{ capacity: 1, perSecond: 60 }, 'unknown option "perSecond"'],
    [{ capacity: 1, refillTokens: 1, refilSeconds: 1 }, 'unknown option "refilSeconds"'],
    [{ capacity: 1, perSeconds: 60, messages: 'no' }, 'unknown option "messages"'],
  ])('a misspelt option: %j', (definition, problem) => {
    expect(messageOf(definition, 'policies.a')).toBe(
      `Policy "default" (policies.a): ${problem}. Remedy: the options are capacity, perSeconds, refillTokens, ` +
        'refillSeconds, refillEverySeconds, algorithm, name, place, onStorageFailure, maxDebt, message, quotaUnit.',
    );
  });

  it.each([undefined, null, '10/minute', 5, [10, 60]])('%j in the place of an object', (definition) => {
    expect(messageOf(definition)).toMatch(
      /^Policy "default" \(new Policy\): the options are .*\. Remedy: pass an object with any of capacity, perSeconds,/,
    );
  });

  it('numbers that doubles cannot count exactly', () => {
    const message = messageOf({ capacity: 2_251_799_814, refillTokens: 1, refillSeconds: 1 });
    expect(message).toMatch(/capacity 2251799814 with 1 tokens per 1 s .* is 2251799814000000; expected at most 2\^51/);
    expect(message).toMatch(/Remedy: choose numbers with a common divisor/);
    expect(messageOf({ capacity: 999_983, perSeconds: 86_400 })).toContain('expected at most 2^51');
  });

  it('steps that bring no whole tokens, or too many', () => {
    const step = (refillEverySeconds: unknown, capacity = 10, perSeconds = 60) =>
      messageOf({ capacity, perSeconds, refillEverySeconds });
    expect(step(1)).toMatch(
      /refillEverySeconds is 1, which brings 10 × 1 \/ 60 tokens .* whole tokens\. Remedy: choose a step/,
    );
    expect(step(6)).toMatch(/^accepted/);
    expect(step(0)).toContain(from1('refillEverySeconds', '0'));
    expect(step(0.5)).toContain(from1('refillEverySeconds', '0.5'));
    expect(step('6')).toContain(from1('refillEverySeconds', '"6"'));
    expect(step(31_622_400, 1_000_000, 1)).toMatch(
      /brings 31622400000000 tokens a step: too many .* Remedy: choose a shorter/,
    );
  });
});

it('a place is one text for one list of parts', () => {
  expect(placeOf('Module', 'Controller', 'list')).toBe('Module/Controller/list');
  expect(placeOf('a/b')).not.toBe(placeOf('a', 'b'));
  expect(placeOf('a', '')).not.toBe(placeOf('a'));
});
