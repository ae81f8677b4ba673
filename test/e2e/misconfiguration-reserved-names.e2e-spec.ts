import { Controller, Get, type Type } from '@nestjs/common';
import { RateLimit, RateLimitModule } from 'nestjs-token-bucket';
import { startApp } from './support/app.js';
import { expectMistake, type MistakeRow, onClass, onMethod, withOptions } from './support/mistakes.js';

const AT_LIST = '@RateLimit on ReportsController.list';
const FOR_ROOT = 'RateLimitModule.forRoot';
/** What a request would bring: policies `a.second` and `a.minute`. */
const numbers = () => '10/second; 100/minute';
const rename = 'no other name begins with "a."';
const taken = (name: string) => `which policies "a" has, and one may be called "${name}", a name that is taken`;

function controllers(...decorators: readonly (MethodDecorator & ClassDecorator)[]): readonly Type[] {
  return decorators.flatMap((decorator) => onClass([decorator]).controllers ?? []);
}

const ROWS: readonly MistakeRow[] = [
  [
    'a limit of such a name beside it on one method',
    () => onMethod([RateLimit(numbers, { name: 'a' }), RateLimit(5, 1, { name: 'a.second' })]),
    AT_LIST,
    taken('a.second'),
    rename,
  ],
  [
    'one that differs in its case',
    () => onMethod([RateLimit(numbers, { name: 'a' }), RateLimit(5, 1, { name: 'A.Second' })]),
    AT_LIST,
    taken('A.Second'),
    rename,
  ],
  [
    'a policy of a group',
    () => onMethod([RateLimit(numbers, { name: 'a' }), RateLimit('5/second; 9/minute', { name: 'a.b' })]),
    AT_LIST,
    taken('a.b'),
    rename,
  ],
  [
    'another function',
    () => onMethod([RateLimit(numbers, { name: 'a' }), RateLimit(numbers, { name: 'a.b' })]),
    AT_LIST,
    taken('a.b'),
    rename,
  ],
  [
    'a limit of its class',
    () => onClass([RateLimit(numbers, { name: 'a' })], undefined, [RateLimit(5, 1, { name: 'a.second' })]),
    AT_LIST,
    taken('a.second'),
    rename,
  ],
  [
    'two shared policies, whatever routes name them',
    () => withOptions({ policies: { a: numbers, 'a.second': '5/second' } }),
    `${FOR_ROOT} policies.a.second`,
    taken('a.second'),
    rename,
  ],
  [
    'the same in the other order',
    () => withOptions({ policies: { 'a.second': '5/second', a: numbers } }),
    `${FOR_ROOT} policies.a`,
    taken('a.second'),
    rename,
  ],
  [
    'two shared policies by functions',
    () => withOptions({ policies: { 'a.b': numbers, a: numbers } }),
    `${FOR_ROOT} policies.a`,
    taken('a.b'),
    rename,
  ],
  [
    'a default and a shared policy of one name',
    () => withOptions({ default: { limits: numbers, name: 'a' }, policies: { a: '5/second' } }),
    `${FOR_ROOT} policies.a`,
    `"a" is declared twice, here and at ${FOR_ROOT} default`,
    'rename one of them',
  ],
  [
    'a default and a shared policy of one name, both by functions',
    () => withOptions({ default: { limits: numbers, name: 'a' }, policies: { a: numbers } }),
    `${FOR_ROOT} policies.a`,
    `"a" is declared twice, here and at ${FOR_ROOT} default`,
    'rename one of them',
  ],
  [
    'one id for a function and for numbers',
    () => ({
      imports: [RateLimitModule.forRoot()],
      controllers: [...controllers(RateLimit(numbers, { id: 'x' }), RateLimit(5, 1, { id: 'x' }))],
    }),
    '@RateLimit on ReportsController',
    'its bucket is already that of "default"',
    'give it another id',
  ],
  [
    'one id for functions of two names',
    () => ({
      imports: [RateLimitModule.forRoot()],
      controllers: [...controllers(RateLimit(numbers, { id: 'x' }), RateLimit(numbers, { id: 'x', name: 'y' }))],
    }),
    '@RateLimit on ReportsController',
    'its bucket is already that of "default"',
    'give it another id',
  ],
];

describe('Names that a request may bring are taken', () => {
  it.each(ROWS)('by %s: an error at start', expectMistake);

  it('by nobody where such a limit is of another route, or another use of the same', async () => {
    @Controller('some')
    class SomeController {
      @Get('function') @RateLimit(numbers, { name: 'a' }) @RateLimit(9, 1, { name: 'a2' }) function() {}
      @Get('numbers') @RateLimit(5, 1, { name: 'a.second' }) numbers() {}
      @Get('once') @RateLimit('by') once() {}
      @Get('twice') @RateLimit('by', { cost: 2 }) twice() {}
    }
    const app = await startApp({
      imports: [RateLimitModule.forRoot({ policies: { by: numbers } })],
      controllers: [SomeController],
    });
    const left = async (path: string) => (await app.get(`/some/${path}`)).headers.get('ratelimit');
    expect(await left('function')).toMatch(/^"a\.second";r=9;t=\d+, "a\.minute";r=99;t=\d+, "a2";r=8/);
    expect(await left('numbers')).toMatch(/^"a\.second";r=4/);
    expect(await left('once')).toMatch(/^"by\.second";r=9/);
    expect(await left('twice')).toMatch(/^"by\.second";r=7/);
    await app.close();
  });
});
