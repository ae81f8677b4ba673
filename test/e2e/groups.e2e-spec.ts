import { Controller, Get } from '@nestjs/common';
import { RateLimit, RateLimitModule, type RateLimitModuleOptions, SkipRateLimit } from 'nestjs-token-bucket';
import { admitted, policiesOf, stillStorage } from './support/admission.js';
import { members, remaining } from './support/fields.js';
import type { Platform } from './support/app.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { expectMistake, type MistakeRow, onMethod, withOptions } from './support/mistakes.js';

@Controller('groups')
class GroupsController {
  @Get('string') @RateLimit('10/second; 4 per 5 minutes; 1000/hour') string(): string {
    return 'a limit string';
  }

  @Get('one') @RateLimit('3/day') one(): string {
    return 'a string of one limit';
  }

  @Get('named') @RateLimit('10/second, 100/minute', { name: 'api', cost: 2 }) named(): string {
    return 'a limit string with options';
  }

  @Get('list')
  @RateLimit([
    { name: 'burst', capacity: 2, perSeconds: 1 },
    { name: 'daily', capacity: 5, perSeconds: 86_400, message: 'Daily quota exceeded' },
  ])
  list(): string {
    return 'a list';
  }

  @Get('object') @RateLimit({ limits: '7/minute; 70/hour', name: 'object' }) object(): string {
    return 'an object';
  }

  @Get('shared') @RateLimit('exports') shared(): string {
    return 'the shared group';
  }

  @Get('bare') bare(): string {
    return 'what the module says';
  }
}

@Controller('groups')
class SkippingController {
  @Get('skipped') @RateLimit('2/minute', { name: 'own' }) @SkipRateLimit('default') skipped(): string {
    return 'without the group of the module';
  }
}

const start = useApps();
const startGroups = (options: RateLimitModuleOptions = {}, platform?: Platform) =>
  start({
    ...(platform === undefined ? {} : { platform }),
    imports: [
      RateLimitModule.forRoot({ storage: stillStorage(), policies: { exports: '3/minute; 30/hour' }, ...options }),
    ],
    controllers: options.default === undefined ? [GroupsController] : [GroupsController, SkippingController],
  });

describe.each(LANES)('A group of limits on $platform with $storage', ({ platform, storage }) => {
  it('admits what all of them admit, and takes nothing from one when another refuses', async () => {
    const app = await startGroups({ storage: makeStorage(storage) }, platform);
    expect(await admitted(app, '/groups/string', 6)).toBe(4);
    const { hourly, minutes } = await app.get('/groups/string').then((refused) => {
      expect(refused.status).toBe(429);
      return {
        hourly: members(refused, 'RateLimit-Policy')['default.hour'],
        minutes: remaining(refused, 'default.5-minutes'),
      };
    });
    expect(hourly).toEqual({ q: 1000, w: 3600 });
    expect(minutes).toBe(0);
  });
});

describe('Groups of limits', () => {
  it('have the period behind the name of the limit, a list the names it gives', async () => {
    const app = await startGroups();
    expect(await policiesOf(app, '/groups/string')).toEqual(['default.second', 'default.5-minutes', 'default.hour']);
    expect(await policiesOf(app, '/groups/named')).toEqual(['api.second', 'api.minute']);
    expect(await policiesOf(app, '/groups/list')).toEqual(['default.burst', 'default.daily']);
    expect(await policiesOf(app, '/groups/object')).toEqual(['object.minute', 'object.hour']);
    expect(await policiesOf(app, '/groups/shared')).toEqual(['exports.minute', 'exports.hour']);
  });

  it('are one limit where a string has only one', async () => {
    const app = await startGroups();
    const response = await app.get('/groups/one');
    expect(members(response, 'RateLimit-Policy')).toEqual({ default: { q: 3, w: 86_400 } });
  });

  it('take the cost of the limit from each', async () => {
    const app = await startGroups();
    const response = await app.get('/groups/named');
    expect([remaining(response, 'api.second'), remaining(response, 'api.minute')]).toEqual([8, 98]);
  });

  it('are replaced as a whole by a nearer limit of the name, and skipped as a whole', async () => {
    const app = await startGroups({ default: '100/minute; 1000/hour' });
    expect(await policiesOf(app, '/groups/bare')).toEqual(['default.minute', 'default.hour']);
    expect(await policiesOf(app, '/groups/one')).toEqual(['default']);
    expect(await policiesOf(app, '/groups/named')).toEqual([
      'default.minute',
      'default.hour',
      'api.second',
      'api.minute',
    ]);
    expect(await policiesOf(app, '/groups/skipped')).toEqual(['own']);
  });

  it('tell the client which of them was hit, in their own words', async () => {
    const clock = stillStorage();
    const app = await startGroups({ storage: clock });
    await admitted(app, '/groups/list', 2);
    const burst = (await (await app.get('/groups/list')).json()) as { message: string };
    expect(burst.message).toBe('Rate limit exceeded. Retry in 1 second.');
  });

  it('say that a daily quota is used up', async () => {
    const app = await startGroups({
      policies: { exports: [{ name: 'daily', capacity: 1, perSeconds: 86_400, message: 'Daily quota exceeded' }] },
    });
    await app.get('/groups/shared');
    const { message } = (await (await app.get('/groups/shared')).json()) as { message: string };
    expect(message).toBe('Daily quota exceeded. Retry in 86400 seconds.');
  });
});

const AT_LIST = '@RateLimit on ReportsController.list';
const ROWS: readonly MistakeRow[] = [
  ['a limit string with a mistake', () => onMethod([RateLimit('10/fortnight')]), AT_LIST, 'fortnight', 'second'],
  ['an empty list', () => onMethod([RateLimit([])]), AT_LIST, 'the list of limits is empty', 'at least one'],
  [
    'a list without names',
    () =>
      onMethod([
        RateLimit([
          { capacity: 1, perSeconds: 1 },
          { capacity: 5, perSeconds: 60 },
        ]),
      ]),
    AT_LIST,
    'has no name',
    'name: "daily"',
  ],
  [
    'two limits of one name in a list',
    () =>
      onMethod([
        RateLimit([
          { name: 'a', capacity: 1, perSeconds: 1 },
          { name: 'a', capacity: 5, perSeconds: 60 },
        ]),
      ]),
    AT_LIST,
    '"default.a"',
    'name of its own',
  ],
  [
    'a misspelt option in a list',
    () => onMethod([RateLimit([{ capacity: 1, perSeconds: 1, mesage: 'x' } as never])]),
    AT_LIST,
    '"mesage"',
    'message',
  ],
  [
    'two ways of saying the numbers',
    () => onMethod([RateLimit({ limits: '10/second', capacity: 10, perSeconds: 1 } as never)]),
    AT_LIST,
    'limits and capacity',
    'keep one',
  ],
  [
    'limits that are neither text nor list',
    () => withOptions({ default: { limits: 10 } as never }),
    'RateLimitModule.forRoot default',
    'limits is 10',
    'limit string',
  ],
  [
    'a static cost above the smallest capacity of the group',
    () => onMethod([RateLimit('10/second; 5/minute', { cost: 6 })]),
    AT_LIST,
    'cost 6 is above the capacity 5 of policy "default.minute"',
    'lower the cost',
  ],
  [
    'a message that is no text',
    () => onMethod([RateLimit(1, 1, { message: 5 as never })]),
    `Policy "default" (${AT_LIST})`,
    'message is 5',
    'leave it out',
  ],
  [
    'a skipIf that is no function',
    () => onMethod([RateLimit(1, 1, { skipIf: true as never })]),
    AT_LIST,
    'skipIf is true',
    'function',
  ],
];

describe('An application with groups that cannot mean anything', () => {
  it.each(ROWS)('refuses %s', expectMistake);
});
