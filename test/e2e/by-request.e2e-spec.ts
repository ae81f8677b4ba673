import { Controller, type ExecutionContext, Get } from '@nestjs/common';
import {
  MemoryStorage,
  RateLimit,
  RateLimitDecision,
  type Decision,
  header,
  type LimitOptions,
  RateLimitModule,
  type RateLimitModuleOptions,
} from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { admitted, stillStorage } from './support/admission.js';
import { type Platform, startApp } from './support/app.js';
import { limitFields, members, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { expectMistake, type MistakeRow, onMethod } from './support/mistakes.js';

const requestOf = (context: ExecutionContext) =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
const field = (name: string) => (context: ExecutionContext) => requestOf(context).headers[name];
const number = (name: string) => (context: ExecutionContext) => Number(field(name)(context) ?? '1');

const PLANS = {
  tiers: {
    free: [
      { name: 'minute', capacity: 60, perSeconds: 60 },
      { name: 'daily', capacity: 1000, perSeconds: 86_400, message: 'Daily quota exceeded' },
    ],
    starter: '300/minute; 10_000/day',
    pro: '1000/minute; 100_000/day',
    partner: 'unlimited',
  },
  tier: (context: ExecutionContext) => Promise.resolve(field('x-plan')(context) ?? 'free'),
} as const;

@Controller('by')
class ByController {
  @Get('plan') @RateLimit({ ...PLANS, name: 'plans', by: header('x-key') }) plan(): string {
    return 'by tier';
  }

  @Get('shared') @RateLimit('plans') shared(): string {
    return 'by the shared tiers';
  }

  @Get('numbers')
  @RateLimit((context) => ({ capacity: number('x-capacity')(context), perSeconds: 60 }), { name: 'numbers' })
  numbers(): string {
    return 'by a function';
  }

  @Get('text')
  @RateLimit(async (context) => field('x-limits')(context) ?? 'unlimited')
  text(): string {
    return 'by a limit string that a function gives';
  }

  @Get('cost') @RateLimit(10, 60, { cost: number('x-cost') }) cost(@RateLimitDecision() decision: Decision): number {
    return decision.remaining;
  }

  @Get('late-cost')
  @RateLimit('10/minute; 100/hour', { cost: async (context) => number('x-cost')(context) })
  lateCost(): string {
    return 'by a cost that is known later';
  }

  @Get('skip') @RateLimit(2, 60, { skipIf: (context) => field('x-skip')(context) === 'yes' }) skip(
    @RateLimitDecision() decision: Decision | undefined,
  ): string {
    return decision === undefined ? 'not asked' : 'asked';
  }

  @Get('use')
  @RateLimit('plans', { skipIf: (context) => Promise.resolve(field('x-skip')(context) === 'yes') })
  use(): string {
    return 'skipped by the route';
  }

  @Get('truthy') @RateLimit(2, 60, { skipIf: (context) => field('x-skip')(context) as never }) truthy(): string {
    return 'by what is no boolean';
  }
}

const start = useApps();
const startBy = (options: RateLimitModuleOptions = {}, platform?: Platform) =>
  start({
    ...(platform === undefined ? {} : { platform }),
    imports: [RateLimitModule.forRoot({ storage: stillStorage(), policies: { plans: { ...PLANS } }, ...options })],
    controllers: [ByController],
  });
const asks = (headers: Record<string, string>) => ({ headers });

describe.each(LANES)('Tiers on $platform with $storage', ({ platform, storage }) => {
  it('check the minute and the day together, in buckets of their own', async () => {
    const app = await startBy({ storage: makeStorage(storage) }, platform);
    const free = await app.get('/by/plan', undefined, asks({ 'x-key': 'k' }));
    expect(members(free, 'RateLimit-Policy')).toEqual({
      'plans.free.minute': { q: 60, w: 60 },
      'plans.free.daily': { q: 1000, w: 86_400 },
    });
    const pro = await app.get('/by/plan', undefined, asks({ 'x-key': 'k', 'x-plan': 'pro' }));
    expect([remaining(pro, 'plans.pro.minute'), remaining(pro, 'plans.pro.day')]).toEqual([999, 99_999]);
  });
});

describe('Tiers', () => {
  it('are felt at once after an upgrade', async () => {
    const app = await startBy({
      policies: {
        plans: { tiers: { free: '2/day', pro: '5/day' }, tier: (context) => field('x-plan')(context) ?? 'free' },
      },
    });
    expect(await admitted(app, '/by/shared', 5)).toBe(2);
    expect((await app.get('/by/shared', undefined, asks({ 'x-plan': 'pro' }))).status).toBe(200);
    expect((await app.get('/by/shared')).status).toBe(429);
  });

  it('say which limit was hit, and leave the other as it was', async () => {
    const clock = new ManualClock();
    const app = await startBy({
      storage: new MemoryStorage({ clock }),
      policies: {
        plans: {
          ...PLANS,
          tiers: {
            free: [
              { name: 'minute', capacity: 2, perSeconds: 60 },
              { name: 'daily', capacity: 3, perSeconds: 86_400, message: 'Daily quota exceeded' },
            ],
          },
        },
      },
    });
    expect(await admitted(app, '/by/shared', 4)).toBe(2);
    clock.advanceMs(60_000);
    expect(await admitted(app, '/by/shared', 4)).toBe(1);
    const refused = await app.get('/by/shared');
    expect(((await refused.json()) as { message: string }).message).toMatch(
      /^Daily quota exceeded\. Retry in \d+ seconds\.$/,
    );
    expect(remaining(await app.get('/by/shared'), 'plans.free.minute')).toBeUndefined();
  });

  it('may be unlimited, and then tell nothing', async () => {
    const app = await startBy();
    const response = await app.get('/by/shared', undefined, asks({ 'x-plan': 'partner' }));
    expect([response.status, limitFields(response)]).toEqual([200, {}]);
  });

  it.each(['gold', '__proto__', 'constructor', ''])(
    'fail with 500 and charge nothing for the unknown tier %p',
    async (tier) => {
      const app = await startBy({
        policies: { plans: { tiers: { free: '1/day' }, tier: (context) => field('x-plan')(context) ?? 'free' } },
      });
      expect((await app.get('/by/shared', undefined, asks({ 'x-plan': tier }))).status).toBe(500);
      expect((await app.get('/by/shared')).status).toBe(200);
    },
  );
});

describe('Numbers by a function', () => {
  it('are those of the request, for one bucket: what it owes counts under new numbers too', async () => {
    const app = await startBy();
    const withCapacity = (capacity: string) => app.get('/by/numbers', undefined, asks({ 'x-capacity': capacity }));
    expect(remaining(await withCapacity('60'), 'numbers')).toBe(59);
    expect(remaining(await withCapacity('60'), 'numbers')).toBe(58);
    // 2 s of debt, at 120 a minute 4 tokens.
    expect(remaining(await withCapacity('120'), 'numbers')).toBe(115);
    expect((await withCapacity('1')).status).toBe(429);
  });

  it('may be a limit string, known later, or nothing', async () => {
    const app = await startBy();
    const two = await app.get('/by/text', undefined, asks({ 'x-limits': '5/second; 9/minute' }));
    expect([remaining(two, 'default.second'), remaining(two, 'default.minute')]).toEqual([4, 8]);
    expect(limitFields(await app.get('/by/text'))).toEqual({});
  });

  it.each(['NaN', '0', '1.5', '-1'])('fail with 500 and charge nothing where the capacity is %s', async (capacity) => {
    const app = await startBy();
    expect((await app.get('/by/numbers', undefined, asks({ 'x-capacity': capacity }))).status).toBe(500);
    expect(remaining(await app.get('/by/numbers', undefined, asks({ 'x-capacity': '60' })), 'numbers')).toBe(59);
  });
});

describe('A cost by a function', () => {
  it.each(['/by/cost', '/by/late-cost'])('is taken from every policy of %s', async (path) => {
    const app = await startBy();
    const response = await app.get(path, undefined, asks({ 'x-cost': '4' }));
    expect(Object.values(members(response, 'RateLimit'))[0]!['r']).toBe(6);
  });

  it('is refused for good above the capacity, which the answer says', async () => {
    const app = await startBy();
    const response = await app.get('/by/cost', undefined, asks({ 'x-cost': '11' }));
    expect([response.status, response.headers.get('Retry-After')]).toEqual([429, null]);
    expect(((await response.json()) as { message: string }).message).toBe(
      'Rate limit exceeded. This request costs more than the limit ever allows.',
    );
    expect(remaining(await app.get('/by/cost'))).toBe(9);
  });

  it.each(['0', '-1', '1.5', 'NaN'])('fails with 500 and charges nothing where it is %s', async (cost) => {
    const app = await startBy();
    expect((await app.get('/by/cost', undefined, asks({ 'x-cost': cost }))).status).toBe(500);
    expect(remaining(await app.get('/by/cost'))).toBe(9);
  });
});

describe('Skipping by a rule', () => {
  it('charges nothing and tells nothing', async () => {
    const app = await startBy();
    for (let i = 0; i < 5; i++) {
      const skipped = await app.get('/by/skip', undefined, asks({ 'x-skip': 'yes' }));
      expect([skipped.status, await skipped.text(), limitFields(skipped)]).toEqual([200, 'not asked', {}]);
    }
    expect(await admitted(app, '/by/skip', 4)).toBe(2);
  });

  it('may be said where a shared policy is used, and be known later', async () => {
    const app = await startBy();
    expect(limitFields(await app.get('/by/use', undefined, asks({ 'x-skip': 'yes' })))).toEqual({});
    expect(remaining(await app.get('/by/use'), 'plans.free.minute')).toBe(59);
  });

  it('may be said for all limits, and is then asked once for a request', async () => {
    let asked = 0;
    const app = await startBy({
      default: '10/second; 100/minute',
      skipIf: (context) => {
        asked++;
        return Promise.resolve(field('x-skip')(context) === 'yes');
      },
    });
    expect(limitFields(await app.get('/by/use', undefined, asks({ 'x-skip': 'yes' })))).toEqual({});
    expect(asked).toBe(1);
    expect(Object.keys(members(await app.get('/by/use'), 'RateLimit'))).toHaveLength(4);
    expect(asked).toBe(2);
  });

  it('fails with 500 where a rule gives something else than true or false', async () => {
    const app = await startBy();
    expect((await app.get('/by/truthy', undefined, asks({ 'x-skip': 'yes' }))).status).toBe(500);
  });
});

const AT_LIST = '@RateLimit on ReportsController.list';
const ROWS: readonly MistakeRow[] = [
  [
    'tiers without a function',
    () => onMethod([RateLimit({ tiers: { free: '1/day' } } as never)]),
    AT_LIST,
    'tier is undefined',
    'tier: (context)',
  ],
  [
    'an empty table of tiers',
    () => onMethod([RateLimit({ tiers: {}, tier: () => 'free' })]),
    AT_LIST,
    'tiers is {}',
    'limits of each tier',
  ],
  [
    'a tier with a mistake',
    () => onMethod([RateLimit({ tiers: { free: '1/fortnight' }, tier: () => 'free' })]),
    `${AT_LIST} tiers.free`,
    'fortnight',
    'second',
  ],
  [
    'a tier whose name cannot stand in a header field',
    () => onMethod([RateLimit({ tiers: { 'no way': '1/day' }, tier: () => 'free' })]),
    `Policy "default.no way" (${AT_LIST} tiers.no way)`,
    'the name is "default.no way"',
    'rename',
  ],
  [
    'a name that cannot stand in a header field, of a limit whose numbers come later',
    () => onMethod([RateLimit(() => '1/day', { name: 'no way' })]),
    `Policy "no way" (${AT_LIST})`,
    'the name is "no way"',
    'rename',
  ],
];

describe('An application with tiers that cannot mean anything', () => {
  it.each(ROWS)('refuses %s', expectMistake);
});

const NUMBERS = () => ({ capacity: 5, perSeconds: 60 });
const byFunction = (
  options: object,
  problem: string,
  remedy: string,
  place = `Policy "default" (${AT_LIST})`,
): MistakeRow => [
  JSON.stringify(options),
  () => onMethod([RateLimit(NUMBERS, options as LimitOptions)]),
  place,
  problem,
  remedy,
];

describe('Numbers by a function, with options that no request can make right', () => {
  it.each([
    byFunction({ refillEverySeconds: 0 }, 'refillEverySeconds is 0', 'choose at least 1'),
    byFunction({ refillEverySeconds: 1.5 }, 'refillEverySeconds is 1.5', 'as a whole number of seconds'),
    byFunction({ refillEverySeconds: '5' }, 'refillEverySeconds is "5"', 'pass a number'),
    byFunction(
      { refillEverySeconds: 5, algorithm: 'fixed-window' },
      'refillEverySeconds (5) stands beside algorithm "fixed-window"',
      'leave out refillEverySeconds',
    ),
    byFunction({ algorithm: 'leaky' }, 'algorithm is "leaky"', 'use one of'),
    byFunction({ cost: 0 }, 'cost is 0', 'at least 1', AT_LIST),
    byFunction({ cost: 1.5 }, 'cost is 1.5', 'a whole number of tokens', AT_LIST),
    byFunction(
      { algorithm: 'leaky-bucket', cost: 2 },
      'cost is 2, and a leaky bucket gives one token at a time',
      'use cost 1',
      AT_LIST,
    ),
    byFunction({ maxDebt: -1, settle: () => 1 }, 'maxDebt is -1', 'choose at least 0'),
    byFunction({ message: '' }, 'message is ""', 'leave it out'),
    byFunction({ onStorageFailure: 'open' }, 'onStorageFailure is "open"', '"local", "allow", "deny"'),
    byFunction({ onExceeded: 'wait', maxWaitMs: 100 }, 'not one bucket', 'one capacity', AT_LIST),
  ])('are an error at start: %s', expectMistake);

  it('and the cost that a route says for a shared one is one of them', () =>
    expectMistake(
      'a cost of a use',
      () =>
        onMethod([RateLimit('calls', { cost: 2 })], {
          policies: { calls: { limits: NUMBERS, algorithm: 'leaky-bucket' } },
        }),
      AT_LIST,
      'cost is 2, and a leaky bucket gives one token at a time',
      'use cost 1',
    ));

  it.each([
    { refillEverySeconds: 60 },
    { refillEverySeconds: 31_622_400 },
    { cost: 5 },
    { algorithm: 'leaky-bucket' },
  ] as LimitOptions[])('start with %j', async (options) => {
    const app = await startApp(onMethod([RateLimit(NUMBERS, options)]));
    await app.close();
  });
});
