import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  afterAuthentication,
  everyone,
  firstOf,
  header,
  ip,
  MemoryStorage,
  RateLimit,
  type RateLimitModuleOptions,
  type RateLimitOptionsFactory,
  SkipRateLimit,
  user,
} from 'nestjs-token-bucket';
import { expectMistake, loose, looseAsync, type MistakeRow, onMethod } from './support/mistakes.js';

const AT_LIST = '@RateLimit on ReportsController.list';
const FOR_ROOT = 'RateLimitModule.forRoot';
const FOR_ROOT_ASYNC = 'RateLimitModule.forRootAsync';

describe('An application with values that cannot mean anything', () => {
  const kinds: MistakeRow[] = [
    [
      'no object as options',
      loose(null),
      FOR_ROOT,
      'the options are null',
      'pass an object with any of storage, default',
    ],
    ['a storage by name', loose({ storage: 'redis' }), FOR_ROOT, 'storage is "redis"', 'new RedisStorage({ url })'],
    ['a storage that is null', loose({ storage: null }), FOR_ROOT, 'storage is null', 'or leave it out for memory'],
    [
      'a class in place of a storage',
      loose({ storage: MemoryStorage }),
      FOR_ROOT,
      'storage is function MemoryStorage',
      'pass a storage',
    ],
    [
      'a storage that cannot peek',
      loose({ storage: { consume: () => null, refund: () => null, reset: () => null } }),
      FOR_ROOT,
      'storage is {}',
      'pass a storage',
    ],
    ['an unknown body', loose({ body: 'json' }), FOR_ROOT, 'body is "json"', "'nest', 'problem' or a function"],
    ['a mounting that is a text', loose({ global: 'no' }), FOR_ROOT, 'global is "no"', 'use true or false'],
    [
      'policies that are a text',
      loose({ policies: 'exports' }),
      FOR_ROOT,
      'policies is "exports"',
      'pass an object of policies by name',
    ],
    [
      'policies that are null',
      loose({ policies: null }),
      FOR_ROOT,
      'policies is null',
      'pass an object of policies by name',
    ],
    [
      'a shared policy that is missing',
      loose({ policies: { exports: undefined } }),
      `${FOR_ROOT} policies.exports`,
      'undefined',
      'pass an object',
    ],
    ['a default that is null', loose({ default: null }), `${FOR_ROOT} default`, 'null', 'pass an object'],
    ['a default that is a number', loose({ default: 100 }), `${FOR_ROOT} default`, '100', 'pass an object'],
    ['header fields that are a text', loose({ headers: 'none' }), `${FOR_ROOT} headers`, '"none"', 'pass an object'],
    [
      'an unknown standard of header fields',
      loose({ headers: { standard: 'draft-6' } }),
      `${FOR_ROOT} headers`,
      'standard is "draft-6"',
      'use one of "draft-11", "draft-8", false',
    ],
    [
      'an unknown writer of header fields',
      loose({ headers: { writtenBy: 'filter' } }),
      `${FOR_ROOT} headers`,
      'writtenBy is "filter"',
      'use one of "interceptor", "guard"',
    ],
    ['a subject by name', loose({ by: 'ip' }), `${FOR_ROOT} by`, 'the subject is "ip"', 'use ip(), user()'],
    [
      'a subject by name on a limit',
      () => onMethod([RateLimit(10, 60, { by: 'user' as never })]),
      `${AT_LIST} by`,
      'the subject is "user"',
      'use ip(), user()',
    ],
    ...Object.entries({ ip, user, everyone, header, firstOf, afterAuthentication }).map(
      ([name, factory]): MistakeRow => [
        `a call that was forgotten: ${name}`,
        loose({ by: factory }),
        `${FOR_ROOT} by`,
        `the subject is function ${name}, which makes one`,
        `call it: write ${name}(`,
      ],
    ),
    [
      'a call that was forgotten on a limit',
      () => onMethod([RateLimit(10, 60, { by: ip as never })]),
      `${AT_LIST} by`,
      'the subject is function ip, which makes one',
      'call it: write ip()',
    ],
    [
      'a header that no request can have',
      () => onMethod([RateLimit(10, 60, { by: header('x api key') })]),
      'header()',
      'the name is "x api key"',
      "header('x-api-key')",
    ],
    [
      'an IPv6 block of a size that nobody gets',
      () => onMethod([RateLimit(10, 60, { by: ip({ ipv6Prefix: 128 }) })]),
      'ip()',
      'ipv6Prefix is 128',
      'use 64',
    ],
  ];
  it.each(kinds)('refuses %s', expectMistake);

  @Injectable()
  class Options implements RateLimitOptionsFactory {
    createRateLimitOptions(): RateLimitModuleOptions {
      return {};
    }
  }
  class Settings {
    readonly capacity = 100;
  }
  const useFactory = () => ({});
  const ways = 'expected exactly one of useFactory, useClass and useExisting';
  const later: MistakeRow[] = [
    ['in no way', looseAsync({}), FOR_ROOT_ASYNC, ways, 'keep one of the three'],
    ['in two ways', looseAsync({ useFactory, useClass: Options }), FOR_ROOT_ASYNC, ways, 'keep one of the three'],
    ['by two classes', looseAsync({ useClass: Options, useExisting: Options }), FOR_ROOT_ASYNC, ways, 'keep one'],
    [
      'by a class and with providers that it would not be given',
      looseAsync({ useClass: Options, inject: [Options] }),
      FOR_ROOT_ASYNC,
      'inject stands beside useClass, and only useFactory is given what it names',
      'let the class take the providers in its constructor, or use useFactory',
    ],
    [
      'by a provider and with others that it would not be given',
      looseAsync({ useExisting: Options, inject: [] }),
      FOR_ROOT_ASYNC,
      'inject stands beside useExisting',
      'or use useFactory',
    ],
    ['by nothing', looseAsync(undefined), FOR_ROOT_ASYNC, 'the options are undefined', 'pass an object'],
    [
      'by a factory that gives none',
      looseAsync({ useFactory: () => undefined }),
      FOR_ROOT_ASYNC,
      'the options are undefined',
      'pass an object',
    ],
    [
      'by a class that cannot make them',
      looseAsync({ useClass: Settings }),
      `${FOR_ROOT_ASYNC} useClass`,
      'an instance of Settings has no method createRateLimitOptions',
      'write createRateLimitOptions(), which gives the options, or use useFactory',
    ],
    [
      'by a provider that cannot make them',
      looseAsync({ useExisting: HttpAdapterHost }),
      `${FOR_ROOT_ASYNC} useExisting`,
      'an instance of HttpAdapterHost has no method createRateLimitOptions',
      'or use useFactory',
    ],
    [
      'with a storage that is none',
      looseAsync({ useFactory: () => Promise.resolve({ storage: {} }) }),
      FOR_ROOT_ASYNC,
      'storage is {}',
      'pass a storage',
    ],
  ];
  it.each(later)('refuses options that are made later %s', expectMistake);

  // Its types do not let the decorator stand on a property; programs without types do not ask them.
  const limit: PropertyDecorator = RateLimit(10, 60);
  const skip: PropertyDecorator = SkipRateLimit();
  const targets: MistakeRow[] = [
    [
      'a limit on a property',
      () => {
        class ReportsController {
          @limit readonly size = 5;
        }
        return { controllers: [ReportsController] };
      },
      '@RateLimit on ReportsController.size',
      'not a method',
      'put it on a controller or on one of its methods',
    ],
    [
      'a limit on a getter',
      () => {
        class ReportsController {
          @RateLimit(10, 60) get size(): number {
            return 5;
          }
        }
        return { controllers: [ReportsController] };
      },
      '@RateLimit on ReportsController.size',
      'not a method',
      'put it on a controller or on one of its methods',
    ],
    [
      'a skip on a static property',
      () => {
        class ReportsController {
          @skip static readonly size = 5;
          readonly size = ReportsController.size;
        }
        return { controllers: [ReportsController] };
      },
      '@SkipRateLimit on ReportsController.size',
      'not a method',
      'put it on a controller or on one of its methods',
    ],
  ];
  it.each(targets)('refuses %s', expectMistake);
});
