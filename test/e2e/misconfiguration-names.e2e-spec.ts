import { RateLimit } from 'nestjs-token-bucket';
import { startApp } from './support/app.js';
import { expectMistake, type MistakeRow, onClass, onMethod, withOptions } from './support/mistakes.js';

const AT_LIST = '@RateLimit on ReportsController.list';
const AT_CLASS = '@RateLimit on ReportsController';
const EXPORTS = { policies: { exports: { capacity: 5, perSeconds: 60 } } };

describe('An application with names that cannot mean anything', () => {
  const named = (name: unknown) => () => onMethod([RateLimit(10, 60, { name: name as string })]);
  const badNames: MistakeRow[] = [
    ['an empty name', named(''), `Policy "" (${AT_LIST})`, 'the name is ""', 'rename'],
    ['a name that starts with a digit', named('1st'), `Policy "1st" (${AT_LIST})`, 'the name is "1st"', 'rename'],
    ['a name with a space', named('a b'), `Policy "a b" (${AT_LIST})`, 'the name is "a b"', 'rename'],
    ['a name with quotes', named('a"b'), `Policy "a\\"b" (${AT_LIST})`, 'the name is "a\\"b"', 'rename'],
    ['a name with a letter beyond ASCII', named('zähler'), `Policy "zähler" (${AT_LIST})`, '"zähler"', 'rename'],
    [
      'a name of 65 letters',
      named('n'.repeat(65)),
      `Policy "${'n'.repeat(65)}" (${AT_LIST})`,
      'at most 63 letters, digits',
      'the name is sent in the RateLimit header fields',
    ],
    ['a name that is a number', named(5), `Policy 5 (${AT_LIST})`, 'the name is 5', 'rename'],
    [
      'a shared policy with a bad name',
      () => withOptions({ policies: { 'csv exports': { capacity: 5, perSeconds: 60 } } }),
      'Policy "csv exports" (RateLimitModule.forRoot policies.csv exports)',
      'the name is "csv exports"; expected a letter',
      'rename',
    ],
  ];
  it.each(badNames)('refuses %s', expectMistake);

  const shared: MistakeRow[] = [
    [
      'a policy that no one declares',
      () => onMethod([RateLimit('export'), RateLimit('exports')], EXPORTS),
      AT_LIST,
      'unknown policy "export"',
      'declare it under policies in RateLimitModule.forRoot (declared: "exports")',
    ],
    [
      'a policy where none is declared',
      () => onClass([RateLimit('exports')]),
      AT_CLASS,
      'unknown policy "exports"',
      '(declared: none), or give numbers: @RateLimit(capacity, perSeconds)',
    ],
    [
      'a policy of another case',
      () => onMethod([RateLimit('Exports')], EXPORTS),
      AT_LIST,
      'unknown policy "Exports"',
      '(declared: "exports")',
    ],
    [
      'a capacity from the environment, which looks like a limit string',
      () => onMethod([RateLimit('100', 60 as never)]),
      AT_LIST,
      'capacity is "100"; expected a number',
      'pass a number',
    ],
    [
      'a shared policy that no route names',
      () => withOptions(EXPORTS),
      'RateLimitModule.forRoot policies.exports',
      'no route is limited by this policy',
      "put @RateLimit('exports') on a route, remove the policy, or say usedInCode: true",
    ],
    [
      'a shared policy that only code is not to ask for',
      () => withOptions({ policies: { exports: { capacity: 5, perSeconds: 60, usedInCode: false } } }),
      'RateLimitModule.forRoot policies.exports',
      'no route is limited by this policy',
      'usedInCode: true',
    ],
    [
      'a shared policy that has the name of the default',
      () =>
        onMethod([RateLimit('default')], { ...withDefault(), policies: { default: { capacity: 5, perSeconds: 60 } } }),
      'RateLimitModule.forRoot policies.default',
      '"default" is declared twice, here and at RateLimitModule.forRoot default',
      'rename one of them',
    ],
  ];
  it.each(shared)('refuses %s', expectMistake);

  it('starts with a shared policy that only code asks for', async () => {
    const settings = withOptions({ policies: { exports: { capacity: 5, perSeconds: 60, usedInCode: true } } });
    const app = await startApp(settings);
    expect((await app.get('/reports')).headers.has('RateLimit-Policy')).toBe(false);
    await app.close();
  });
});

function withDefault() {
  return { default: { capacity: 10, perSeconds: 60 } };
}
