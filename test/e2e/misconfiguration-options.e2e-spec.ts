import { ip, MemoryStorage, RateLimit, user } from 'nestjs-token-bucket';
import {
  expectMistake,
  loose,
  looseAsync,
  type MistakeRow,
  onClass,
  onMethod,
  withOptions,
} from './support/mistakes.js';

const AT_LIST = '@RateLimit on ReportsController.list';
const FOR_ROOT = 'RateLimitModule.forRoot';
const FOR_ROOT_ASYNC = 'RateLimitModule.forRootAsync';
const TEN = { capacity: 10, perSeconds: 60 };

describe('An application with options that cannot mean anything', () => {
  const misspelt: MistakeRow[] = [
    ['the module', loose({ defaults: TEN }), FOR_ROOT, '"defaults"', 'the options are storage, default, policies'],
    [
      'the default',
      loose({ default: { ...TEN, perSecond: 60 } }),
      `${FOR_ROOT} default`,
      '"perSecond"',
      'the options are capacity, perSeconds, refillTokens',
    ],
    [
      'a shared policy',
      loose({ policies: { exports: { ...TEN, usedByCode: true } } }),
      `${FOR_ROOT} policies.exports`,
      '"usedByCode"',
      'onStorageFailure, usedInCode',
    ],
    [
      'a shared policy, which has its key as its name',
      loose({ policies: { exports: { ...TEN, name: 'imports' } } }),
      `${FOR_ROOT} policies.exports`,
      '"name"',
      'onStorageFailure, usedInCode',
    ],
    [
      'a shared policy, which is one bucket anyway',
      loose({ policies: { exports: { ...TEN, id: 'exports' } } }),
      `${FOR_ROOT} policies.exports`,
      '"id"',
      'onStorageFailure, usedInCode',
    ],
    [
      'a limit',
      () => onMethod([RateLimit(10, 60, { names: 'burst' } as never)]),
      AT_LIST,
      '"names"',
      'the options are name, by, cost',
    ],
    [
      'a limit in one object',
      () => onClass([RateLimit({ ...TEN, limit: 10 } as never)]),
      '@RateLimit on ReportsController',
      '"limit"',
      'the options are capacity, perSeconds',
    ],
    [
      'a use of a shared policy, which decides everything but the cost',
      () => onMethod([RateLimit('exports', { name: 'burst' } as never)], { policies: { exports: TEN } }),
      AT_LIST,
      '"name"',
      'the options are cost',
    ],
    [
      'the header fields',
      loose({ headers: { legcy: false } }),
      `${FOR_ROOT} headers`,
      '"legcy"',
      'the options are standard, legacy, retryAfter, retryJitterSeconds, writtenBy',
    ],
    [
      'the X-RateLimit fields',
      loose({ headers: { legacy: { resets: 'delta' } } }),
      `${FOR_ROOT} headers.legacy`,
      '"resets"',
      'the options are reset, policy',
    ],
    [
      'ip()',
      () => onMethod([RateLimit(10, 60, { by: ip({ ipv6: 56 } as never) })]),
      'ip()',
      '"ipv6"',
      'the options are ipv6Prefix, trustAnyProxy',
    ],
    [
      'user()',
      () => onMethod([RateLimit(10, 60, { by: user({ key: 'email' } as never) })]),
      'user()',
      '"key"',
      'the options are id, anonymous',
    ],
    [
      'new MemoryStorage()',
      () => withOptions({ storage: new MemoryStorage({ maxkeys: 5 } as never) }),
      'new MemoryStorage',
      '"maxkeys"',
      'the options are maxKeys, clock',
    ],
    [
      'options that are made later',
      looseAsync({ useFactory: () => ({ defaults: TEN }) }),
      FOR_ROOT_ASYNC,
      '"defaults"',
      'the options are storage, default, policies',
    ],
    [
      'the way to make options later',
      looseAsync({ useFactory: () => ({}), injects: [] }),
      FOR_ROOT_ASYNC,
      '"injects"',
      'the options are imports, useFactory, inject, useClass, useExisting',
    ],
  ];
  it.each(misspelt)('refuses a misspelt option of %s', expectMistake);
});
