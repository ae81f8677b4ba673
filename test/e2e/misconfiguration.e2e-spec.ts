import { RateLimit, RateLimitModule, type RateLimitModuleOptions } from 'nestjs-token-bucket';
import { expectMistake, type MistakeRow, onClass, onMethod, withOptions } from './support/mistakes.js';

const LIST = 'Policy "default" (@RateLimit on ReportsController.list)';
const DAYS_366 = 366 * 86_400;

/** Numbers as they come from the environment, from a form, from a file: of any type. */
const loosely = (definition: Record<string, unknown>) => RateLimit(definition as never);

describe('An application with numbers that cannot mean anything', () => {
  const capacities: MistakeRow[] = [
    ['0', () => onMethod([RateLimit(0, 60)]), LIST, 'capacity is 0;', 'choose at least 1'],
    ['negative', () => onMethod([RateLimit(-5, 60)]), LIST, 'capacity is -5;', 'choose at least 1'],
    ['fractional', () => onMethod([RateLimit(2.5, 60)]), LIST, 'capacity is 2.5;', 'whole number of tokens'],
    ['not a number', () => onMethod([RateLimit(NaN, 60)]), LIST, 'capacity is NaN;', 'whole number of tokens'],
    ['infinite', () => onMethod([RateLimit(Infinity, 60)]), LIST, 'capacity is Infinity;', 'whole number of tokens'],
    [
      'missing',
      () => onMethod([loosely({ perSeconds: 60 })]),
      LIST,
      'capacity is undefined;',
      'write capacity as a whole number of tokens',
    ],
    [
      'a text of the environment',
      () => onMethod([loosely({ capacity: '100', perSeconds: 60 })]),
      LIST,
      'capacity is "100"; expected an integer from 1',
      'Number(process.env.…)',
    ],
  ];
  it.each(capacities)('refuses a capacity that is %s', expectMistake);

  const refills: MistakeRow[] = [
    [
      'no refill at all',
      () => onMethod([loosely({ capacity: 10 })]),
      LIST,
      'the refill is missing',
      'add perSeconds (seconds from empty to full), or refillTokens and refillSeconds',
    ],
    [
      'a lone capacity',
      () => onMethod([RateLimit(10, undefined as never)]),
      LIST,
      'the refill is missing',
      'add perSeconds',
    ],
    [
      'two refills',
      () => onMethod([loosely({ capacity: 10, perSeconds: 60, refillTokens: 1, refillSeconds: 6 })]),
      LIST,
      'perSeconds (60) stands beside refillTokens or refillSeconds',
      'state the refill once',
    ],
    [
      'half a refill',
      () => onMethod([loosely({ capacity: 10, refillTokens: 1 })]),
      LIST,
      'refillSeconds is undefined; expected an integer',
      'write refillSeconds as a whole number of seconds',
    ],
    [
      'no tokens in a refill',
      () => onMethod([RateLimit({ capacity: 10, refillTokens: 0, refillSeconds: 6 })]),
      LIST,
      'refillTokens is 0;',
      'choose at least 1',
    ],
    ['0 seconds', () => onMethod([RateLimit(10, 0)]), LIST, 'perSeconds is 0;', 'choose at least 1'],
    ['fractional seconds', () => onMethod([RateLimit(10, 0.5)]), LIST, 'perSeconds is 0.5;', 'whole number of seconds'],
    [
      'seconds as a text',
      () => onMethod([loosely({ capacity: 10, perSeconds: '60' })]),
      LIST,
      'perSeconds is "60";',
      'Number(process.env.…)',
    ],
    [
      'more seconds than 366 days have',
      () => onMethod([RateLimit(10, DAYS_366 + 1)]),
      LIST,
      'perSeconds is 31622401; expected an integer from 1 to 31622400',
      'choose a smaller perSeconds',
    ],
    [
      'numbers too fine to be counted exactly',
      () => onMethod([RateLimit(1_000_003, 3600)]),
      LIST,
      'capacity 1000003 with 1000003 tokens per 3600 s is too fine to count exactly',
      'choose numbers with a common divisor',
    ],
    [
      'steps of 0 seconds',
      () => onMethod([RateLimit(10, 60, { refillEverySeconds: 0 })]),
      LIST,
      'refillEverySeconds is 0;',
      'choose at least 1',
    ],
    [
      'steps that bring parts of tokens',
      () => onMethod([RateLimit(10, 60, { refillEverySeconds: 7 })]),
      LIST,
      'refillEverySeconds is 7, which brings 10 × 7 / 60 tokens a step; expected whole tokens',
      'the whole period',
    ],
    [
      'steps that bring too many tokens to be counted exactly',
      () =>
        onMethod([RateLimit({ capacity: 1, refillTokens: 1_000_000, refillSeconds: 1, refillEverySeconds: DAYS_366 })]),
      LIST,
      'refillEverySeconds is 31622400, which brings 31622400000000 tokens a step: too many to count exactly',
      'choose a shorter step or fewer tokens',
    ],
  ];
  it.each(refills)('refuses %s', expectMistake);

  const exports = (cost: number): RateLimitModuleOptions => ({
    policies: { exports: { capacity: 5, perSeconds: 60, cost } },
  });
  const costs: MistakeRow[] = [
    [
      '0',
      () => onMethod([RateLimit(10, 60, { cost: 0 })]),
      '@RateLimit on ReportsController.list',
      'cost is 0',
      'at least 1',
    ],
    [
      'negative',
      () => onMethod([RateLimit(10, 60, { cost: -1 })]),
      '@RateLimit on ReportsController.list',
      'cost is -1',
      'at least 1',
    ],
    [
      'fractional',
      () => onMethod([RateLimit(10, 60, { cost: 1.5 })]),
      '@RateLimit on ReportsController.list',
      'cost is 1.5',
      'whole number of tokens',
    ],
    [
      'a text',
      () => onMethod([loosely({ capacity: 10, perSeconds: 60, cost: '2' })]),
      '@RateLimit on ReportsController.list',
      'cost is "2"',
      'whole number of tokens',
    ],
    [
      'above the capacity, on a method',
      () => onMethod([RateLimit(10, 60, { cost: 11 })]),
      '@RateLimit on ReportsController.list',
      'cost 11 is above the capacity 10 of policy "default", so every request would be refused',
      'lower the cost or raise the capacity',
    ],
    [
      'above the capacity, on a class',
      () => onClass([RateLimit(10, 60, { name: 'burst', cost: 11 })]),
      '@RateLimit on ReportsController',
      'cost 11 is above the capacity 10 of policy "burst"',
      'lower the cost or raise the capacity',
    ],
    [
      'above the capacity, in the default',
      () => withOptions({ default: { capacity: 3, perSeconds: 60, cost: 4 } }),
      'RateLimitModule.forRoot default',
      'cost 4 is above the capacity 3 of policy "default"',
      'lower the cost or raise the capacity',
    ],
    [
      'above the capacity, in a shared policy',
      () => onMethod([RateLimit('exports')], exports(6)),
      'RateLimitModule.forRoot policies.exports',
      'cost 6 is above the capacity 5 of policy "exports"',
      'lower the cost or raise the capacity',
    ],
    [
      'above the capacity, where a shared policy is named',
      () => onMethod([RateLimit('exports', { cost: 7 })], exports(1)),
      '@RateLimit on ReportsController.list',
      'cost 7 is above the capacity 5 of policy "exports"',
      'lower the cost or raise the capacity',
    ],
    [
      'fractional, where a shared policy is named',
      () => onMethod([RateLimit('exports', { cost: 0.5 })], exports(1)),
      '@RateLimit on ReportsController.list',
      'cost is 0.5',
      'whole number of tokens',
    ],
  ];
  it.each(costs)('refuses a cost that is %s', expectMistake);

  const zero = { capacity: 0, perSeconds: 60 };
  const places: MistakeRow[] = [
    ['a method', () => onMethod([RateLimit(zero)]), LIST, 'capacity is 0;', 'choose at least 1'],
    [
      'a class',
      () => onClass([RateLimit({ ...zero, name: 'burst' })]),
      'Policy "burst" (@RateLimit on ReportsController)',
      'capacity is 0;',
      'choose at least 1',
    ],
    [
      'the default',
      () => withOptions({ default: zero }),
      'Policy "default" (RateLimitModule.forRoot default)',
      'capacity is 0;',
      'choose at least 1',
    ],
    [
      'a shared policy',
      () => withOptions({ policies: { exports: zero } }),
      'Policy "exports" (RateLimitModule.forRoot policies.exports)',
      'capacity is 0;',
      'choose at least 1',
    ],
    [
      'options that are made later',
      () => ({ imports: [RateLimitModule.forRootAsync({ useFactory: () => ({ default: zero }) })] }),
      'Policy "default" (RateLimitModule.forRootAsync default)',
      'capacity is 0;',
      'choose at least 1',
    ],
  ];
  it.each(places)('names the place of the mistake: %s', expectMistake);
});
