import { type Charge, checkCharge, sumByBucket } from './charge.js';
import { InvalidChargeError } from './errors.js';
import { Policy } from './policy.js';

const policy = new Policy({ name: 'hourly', capacity: 10, perSeconds: 60 });
const other = new Policy({ name: 'burst', capacity: 10, perSeconds: 1 });
const charge = (cost: unknown, subject: unknown = 'user:1', of = policy) => ({ policy: of, subject, cost }) as Charge;

describe('checkCharge', () => {
  it.each([1, 2, 11, Number.MAX_SAFE_INTEGER])('takes cost %p', (cost) => {
    expect(() => checkCharge(charge(cost))).not.toThrow();
  });

  it.each([
    [0, '0'],
    [-1, '-1'],
    [0.5, '0.5'],
    [NaN, 'NaN'],
    [Infinity, 'Infinity'],
    [2 ** 53, '9007199254740992'],
    ['1', '"1"'],
    [null, 'null'],
    [{}, '{}'],
  ])('refuses cost %p', (cost, shown) => {
    expect(() => checkCharge(charge(cost))).toThrow(InvalidChargeError);
    expect(() => checkCharge(charge(cost))).toThrow(
      `Policy "hourly": the cost is ${shown}; expected a whole number of tokens, at least 1.`,
    );
  });

  it.each([
    ['', '""'],
    [undefined, 'undefined'],
    [null, 'null'],
    [42, '42'],
    [['user:1'], '["user:1"]'],
  ])('refuses subject %p', (subject, shown) => {
    const bad = { ...charge(1), subject } as Charge;
    expect(() => checkCharge(bad)).toThrow(InvalidChargeError);
    expect(() => checkCharge(bad)).toThrow(`Policy "hourly": the subject is ${shown}; expected a non-empty string`);
  });
});

describe('sumByBucket', () => {
  it('leaves charges on different buckets as they are, in their order', () => {
    const charges = [charge(1), charge(2, 'user:2'), charge(3, 'user:1', other)];
    expect(sumByBucket(charges)).toBe(charges);
    expect(sumByBucket([])).toEqual([]);
  });

  it('adds up those on one bucket where it first appears, and changes no charge', () => {
    const charges = [charge(1), charge(2, 'user:2'), charge(3), charge(4, 'user:2'), charge(5, 'user:3'), charge(6)];
    const before = structuredClone(charges.map(({ cost }) => cost));
    expect(sumByBucket(charges).map(({ subject, cost }) => [subject, cost])).toEqual([
      ['user:1', 10],
      ['user:2', 6],
      ['user:3', 5],
    ]);
    expect(charges.map(({ cost }) => cost)).toEqual(before);
  });

  it('takes two policies that agree for one, and refuses two that do not', () => {
    const twin = new Policy({ name: 'hourly', capacity: 10, refillTokens: 1, refillSeconds: 6 });
    expect(sumByBucket([charge(1), charge(2, 'user:1', twin)])).toEqual([charge(3)]);
    const impostor = new Policy({ name: 'hourly', capacity: 11, perSeconds: 60 });
    const clash = () => sumByBucket([charge(1), charge(2, 'user:1', impostor)]);
    expect(clash).toThrow(InvalidChargeError);
    expect(clash).toThrow(/share the bucket "hourly" but differ .* another name or place/);
  });
});
