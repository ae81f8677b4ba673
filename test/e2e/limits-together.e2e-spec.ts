import { Controller, type ExecutionContext, Get, Module, VERSION_NEUTRAL } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  everyone,
  RateLimit,
  RateLimitModule,
  type RateLimitModuleOptions,
  RateLimiter,
  SkipRateLimit,
  user,
} from 'nestjs-token-bucket';
import { admitted, policiesOf, stillStorage } from './support/admission.js';
import type { Platform, RunningApp } from './support/app.js';
import { limitFields, members, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { expectMistake, type MistakeRow, onMethod } from './support/mistakes.js';
import { as, SignInGuard } from './support/sign-in.js';

const field = (name: string) => (context: ExecutionContext) =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[name];
/** The tier that a request names. */
const tier = (context: ExecutionContext): string => field('x-plan')(context) ?? 'free';
const on = (plan: string) => ({ headers: { 'x-plan': plan } });

const PLANS = { tiers: { free: '3/minute; 5/hour', pro: '30/minute', partner: 'unlimited' }, tier } as const;

@Controller('phases')
class PhasesController {
  /** The group before authentication is the narrower one for strangers, that of a user the narrower one for users. */
  @Get('group')
  @RateLimit('10/minute; 20/hour', { name: 'address' })
  @RateLimit('3/minute; 20/hour', { name: 'own', by: user() })
  group(): string {
    return 'two groups in two phases';
  }

  /** Of the user that was signed in, whom a guard finds. */
  @Get('tiers')
  @RateLimit({
    name: 'plan',
    by: user(),
    tiers: { guest: '1/hour', member: '4/hour' },
    tier: (context) =>
      context.switchToHttp().getRequest<{ user?: { id: string } }>().user === undefined ? 'guest' : 'member',
  })
  tiers(): string {
    return 'by what the user is';
  }
}

@Controller('class')
@RateLimit({ ...PLANS, name: 'plans' })
class ClassController {
  @Get('one') one(): string {
    return 'of the class';
  }

  @Get('two') two(): string {
    return 'of the class, too';
  }

  @Get('own') @RateLimit('2/day', { name: 'plans' }) own(): string {
    return 'instead of the tiers';
  }

  @Get('skipped') @SkipRateLimit('plans') skipped(): string {
    return 'without the tiers';
  }

  @Get('all') @SkipRateLimit() all(): string {
    return 'without anything';
  }

  @Get('stacked') @SkipRateLimit('plans') @RateLimit('7/minute; 8/hour', { name: 'extra' }) stacked(): string {
    return 'a group instead of the tiers, by its own name';
  }
}

const SEARCH = { name: 'search', id: 'search' } as const;

@Controller('left')
class LeftController {
  @Get('group') @RateLimit('4/minute; 6/hour', SEARCH) group(): string {
    return 'a group of an id';
  }

  @Get('tiers') @RateLimit({ ...PLANS, name: 'plan', id: 'plan' }) tiers(): string {
    return 'tiers of an id';
  }

  @Get('function') @RateLimit(() => '4/minute', { name: 'made', id: 'made', by: everyone() }) made(): string {
    return 'a function of an id';
  }

  @Get('shared') @RateLimit('plans') shared(): string {
    return 'the shared tiers';
  }
}

@Controller('right')
class RightController extends LeftController {}

const start = useApps();
const startAll = (options: RateLimitModuleOptions = {}, platform?: Platform) =>
  start({
    ...(platform === undefined ? {} : { platform }),
    imports: [RateLimitModule.forRoot({ storage: stillStorage(), policies: { plans: PLANS }, ...options })],
    controllers: [PhasesController, ClassController, LeftController, RightController],
    providers: [{ provide: APP_GUARD, useClass: SignInGuard }],
  });

const names = (response: Response) => Object.keys(members(response, 'RateLimit-Policy'));

describe.each(LANES)('Groups in both phases on $platform with $storage', ({ platform, storage }) => {
  it('must all admit a request, and what the first took comes back when the second refuses', async () => {
    const app = await startAll({ storage: makeStorage(storage) }, platform);
    const anna = await app.get('/phases/group', undefined, as('anna'));
    expect(names(anna)).toEqual(['address.minute', 'address.hour', 'own.minute', 'own.hour']);
    for (let i = 0; i < 2; i++) await app.get('/phases/group', undefined, as('anna'));
    for (let i = 0; i < 4; i++) {
      const refused = await app.get('/phases/group', undefined, as('anna'));
      expect([refused.status, Object.keys(members(refused, 'RateLimit'))]).toEqual([429, ['own.minute']]);
    }
    const bert = await app.get('/phases/group', undefined, as('bert'));
    // On Redis a token may have come back meanwhile, as time goes on there.
    expect(remaining(bert, 'address.hour')).toBeGreaterThanOrEqual(16);
    expect([remaining(bert, 'own.minute'), remaining(bert, 'own.hour')]).toEqual([2, 19]);
  });

  it('share buckets by an id, groups and tiers and functions, and shared tiers by their name', async () => {
    const app = await startAll({ storage: makeStorage(storage) }, platform);
    for (const [path, all] of [
      ['group', 4],
      ['tiers', 3],
      ['function', 4],
      ['shared', 3],
    ] as const) {
      expect(await admitted(app, `/left/${path}`, 2)).toBe(2);
      expect(await admitted(app, `/right/${path}`, all)).toBe(all - 2);
      expect(await admitted(app, `/left/${path}`, 1)).toBe(0);
    }
  });
});

describe('Tiers', () => {
  it('may be found of the user, in the phase that knows one', async () => {
    const app = await startAll();
    expect(await admitted(app, '/phases/tiers', 2)).toBe(1);
    const asAnna = { ...app, get: (path: string) => app.get(path, undefined, as('anna')) };
    expect(await admitted(asAnna, '/phases/tiers', 6)).toBe(4);
  });

  it('of a class are one bucket over its methods for each tier', async () => {
    const app = await startAll();
    const pro = await app.get('/class/one', undefined, on('pro'));
    expect(members(pro, 'RateLimit-Policy')).toEqual({ 'plans.pro': { q: 30, w: 60 } });
    expect(remaining(await app.get('/class/two', undefined, on('pro')), 'plans.pro')).toBe(28);
    expect(await admitted(app, '/class/two', 2)).toBe(2);
    expect(await admitted(app, '/class/one', 2)).toBe(1);
    expect(limitFields(await app.get('/class/one', undefined, on('partner')))).toEqual({});
  });

  it('are replaced and skipped by the name of the limit, whatever the names of its policies', async () => {
    const app = await startAll({ default: '100/minute; 1000/hour' });
    const both = ['default.minute', 'default.hour'];
    expect(await policiesOf(app, '/class/one')).toEqual([...both, 'plans.free.minute', 'plans.free.hour']);
    expect(await policiesOf(app, '/class/own')).toEqual([...both, 'plans']);
    expect(await policiesOf(app, '/class/skipped')).toEqual(both);
    expect(await policiesOf(app, '/class/all')).toEqual([]);
    expect(await policiesOf(app, '/class/stacked')).toEqual([...both, 'extra.minute', 'extra.hour']);
  });

  it('that are shared can be asked for in code by the names of their policies', async () => {
    const app = await startAll();
    await app.get('/left/shared');
    const limiter = app.app.get(RateLimiter);
    const subject = 'ip:203.0.113.1';
    expect(await limiter.peek({ policy: 'plans.free.hour', subject })).toMatchObject({ remaining: 4 });
    await limiter.reset(['plans.free.minute', 'plans.free.hour'].map((policy) => ({ policy, subject })));
    expect(await admitted(app, '/right/shared', 4)).toBe(3);
    expect(() => limiter.peek({ policy: 'plans', subject })).toThrow('"plans" is several policies');
  });
});

describe('The default of the module', () => {
  it.each([
    ['a function', (context: ExecutionContext) => field('x-limits')(context) ?? '5/minute; 50/hour'],
    [
      'a function in an object',
      { limits: async (context: ExecutionContext) => field('x-limits')(context) ?? '5/minute; 50/hour' },
    ],
    [
      'tiers',
      {
        tiers: { standard: '5/minute; 50/hour', none: 'unlimited' },
        tier: (context: ExecutionContext) => (field('x-limits')(context) === 'unlimited' ? 'none' : 'standard'),
      },
    ],
  ] as const)('may be %s, one set of buckets over all routes', async (_form, written) => {
    const app = await startAll({ default: written, policies: { plans: PLANS } });
    const unlimited = await app.get('/left/group', undefined, { headers: { 'x-limits': 'unlimited' } });
    expect(names(unlimited)).toEqual(['search.minute', 'search.hour']);
    const policies = await policiesOf(app, '/left/function');
    expect(policies.map((name) => name.replace('standard.', ''))).toEqual(['default.minute', 'default.hour', 'made']);
    expect(await admitted(app, '/class/skipped', 6)).toBe(4);
    expect(await admitted(app, '/class/all', 6)).toBe(6);
  });
});

describe('Policies of options that are known later', () => {
  const startLate = (platform: Platform): Promise<RunningApp> => {
    @Module({
      providers: [{ provide: 'LIMITS', useValue: { all: '9/minute', plans: '3/minute, 30 per day' } }],
      exports: ['LIMITS'],
    })
    class ConfigurationModule {}
    @Controller({ path: 'late', version: VERSION_NEUTRAL })
    class LateController {
      @Get() @RateLimit('plans') late(): string {
        return 'by strings of a configuration';
      }
    }
    return start({
      platform,
      imports: [
        RateLimitModule.forRootAsync({
          imports: [ConfigurationModule],
          inject: ['LIMITS'],
          useFactory: async (limits: { all: string; plans: string }) => ({
            storage: stillStorage(),
            default: limits.all,
            policies: { plans: limits.plans },
          }),
        }),
      ],
      controllers: [LateController],
    });
  };

  it.each(['express', 'fastify'] as const)('may be limit strings on %s', async (platform) => {
    const app = await startLate(platform);
    expect(await policiesOf(app, '/late')).toEqual(['default', 'plans.minute', 'plans.day']);
    expect(await admitted(app, '/late', 5)).toBe(2);
  });
});

const AT_LIST = '@RateLimit on ReportsController.list';
const ROWS: readonly MistakeRow[] = [
  [
    'skipping one limit of a group',
    () => onMethod([SkipRateLimit('default.minute')], { default: '10/minute; 100/hour' }),
    '@SkipRateLimit on ReportsController.list',
    'no limit named "default.minute" reaches this target (there: "default")',
    'correct the name',
  ],
  [
    'a limit that is named like one of a group',
    () => onMethod([RateLimit(5, 60, { name: 'default.minute' })], { default: '10/minute; 100/hour' }),
    AT_LIST,
    'two limits are named "default.minute"',
    'name of its own',
  ],
  [
    'groups of one id with other numbers',
    () => ({
      ...onMethod([RateLimit('10/minute; 100/hour', SEARCH)]),
      controllers: [LeftController],
      imports: [
        RateLimitModule.forRoot({ default: { limits: '10/minute; 100/hour', ...SEARCH }, policies: { plans: PLANS } }),
      ],
    }),
    '@RateLimit on LeftController.group',
    'its bucket is already that of "search.minute"',
    'another id',
  ],
  [
    'a static cost above the capacity of one tier',
    () => onMethod([RateLimit('plans', { cost: 4 })], { policies: { plans: PLANS } }),
    AT_LIST,
    'cost 4 is above the capacity 3 of policy "plans.free.minute"',
    'lower the cost',
  ],
  [
    'a refill for a group that only some of it can have',
    () => onMethod([RateLimit('10/minute; 100/hour', { refillEverySeconds: 60 })]),
    `Policy "default.hour" (${AT_LIST})`,
    'refillEverySeconds is 60',
    'whole tokens',
  ],
];

describe('An application with groups that do not go together', () => {
  it.each(ROWS)('refuses %s', expectMistake);
});
