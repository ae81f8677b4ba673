import { RateLimit, RateLimitModule, SkipRateLimit } from 'nestjs-token-bucket';
import { expectMistake, type MistakeRow, onClass, onMethod } from './support/mistakes.js';
import { reportsController } from './support/places.js';

const AT_LIST = '@RateLimit on ReportsController.list';
const AT_CLASS = '@RateLimit on ReportsController';
const SKIP_AT_LIST = '@SkipRateLimit on ReportsController.list';
const EXPORTS = { policies: { exports: { capacity: 5, perSeconds: 60 } } };

describe('An application whose limits contradict each other', () => {
  const burst = (name = 'burst') => RateLimit(10, 60, { name });
  const repeated: MistakeRow[] = [
    [
      'two limits without a name on one method',
      () => onMethod([RateLimit(10, 60), RateLimit(100, 3600)]),
      AT_LIST,
      'two limits are named "default" and "default"',
      'give each a name of its own: @RateLimit(capacity, perSeconds, { name })',
    ],
    [
      'two limits of one name on one method',
      () => onMethod([burst(), burst()]),
      AT_LIST,
      '"burst" and "burst"',
      'give each a name of its own',
    ],
    [
      'two limits of one name on one class',
      () => onClass([burst(), burst()]),
      AT_CLASS,
      '"burst" and "burst"',
      'give each a name of its own',
    ],
    [
      'one shared policy twice on one method',
      () => onMethod([RateLimit('exports'), RateLimit('exports', { cost: 2 })], EXPORTS),
      AT_LIST,
      '"exports" and "exports"',
      'give each a name of its own',
    ],
    [
      'a shared policy and a limit of its name on one method',
      () => onMethod([RateLimit('exports'), burst('exports')], EXPORTS),
      AT_LIST,
      '"exports" and "exports"',
      'give each a name of its own',
    ],
    [
      'two limits of one id on one method',
      () => onMethod([RateLimit(10, 60, { id: 'search' }), RateLimit(10, 60, { id: 'search' })]),
      AT_LIST,
      '"default" and "default"',
      'give each a name of its own',
    ],
    [
      'names on one method that differ in case only',
      () => onMethod([burst('Burst'), burst('burst')]),
      AT_LIST,
      // The decorators of the builder are applied from the first to the last, so the last one comes first.
      'two limits are named "burst" and "Burst"',
      'give each a name of its own',
    ],
    [
      'names of a class and its method that differ in case only',
      () => onClass([burst('Burst')], {}, [burst('burst')]),
      AT_LIST,
      'two limits are named "Burst" and "burst"',
      'give each a name of its own',
    ],
    [
      'a name that differs from that of the default in case only',
      () => onMethod([burst('Default')], withDefault()),
      AT_LIST,
      'two limits are named "default" and "Default"',
      'give each a name of its own',
    ],
  ];
  it.each(repeated)('refuses %s', expectMistake);

  const skips: MistakeRow[] = [
    [
      'a skip of a name that no farther place has',
      () => onMethod([SkipRateLimit('brust')], withDefault()),
      SKIP_AT_LIST,
      'no limit named "brust" reaches this target (there: "default")',
      'correct the name or remove it',
    ],
    [
      'a skip by name where nothing is limited',
      () => onClass([SkipRateLimit('burst')]),
      '@SkipRateLimit on ReportsController',
      'no limit named "burst" reaches this target (there: none)',
      'correct the name or remove it',
    ],
    [
      'a skip of a name in another case',
      () => onClass([burst()], {}, [SkipRateLimit('Burst')]),
      SKIP_AT_LIST,
      'no limit named "Burst" reaches this target (there: "burst")',
      'correct the name',
    ],
    [
      'a skip of a name that the class has skipped already',
      () => onClass([SkipRateLimit('default')], withDefault(), [SkipRateLimit('default')]),
      SKIP_AT_LIST,
      'no limit named "default" reaches this target',
      'correct the name or remove it',
    ],
    [
      'a skip of all and a limit on one method',
      () => onMethod([SkipRateLimit(), burst()]),
      SKIP_AT_LIST,
      'it lifts "burst", which @RateLimit sets on the same target',
      'remove one of the two; to lift only the limits of farther places, name them: @SkipRateLimit(name)',
    ],
    [
      'a skip and a limit of one name on one method',
      () => onMethod([SkipRateLimit('default'), RateLimit(10, 60)], withDefault()),
      SKIP_AT_LIST,
      'it lifts "default"',
      'remove one of the two',
    ],
    [
      'a skip and a shared policy of one name on one method',
      () => onClass([RateLimit('exports')], EXPORTS, [SkipRateLimit('exports'), RateLimit('exports')]),
      SKIP_AT_LIST,
      'it lifts "exports"',
      'remove one of the two',
    ],
    [
      'a skip of all and a limit on one class',
      () => onClass([SkipRateLimit(), burst()]),
      '@SkipRateLimit on ReportsController',
      'it lifts "burst"',
      'remove one of the two',
    ],
  ];
  it.each(skips)('refuses %s', expectMistake);

  const searched = (capacity: number, name = 'search', id: unknown = 'search') =>
    RateLimit(capacity, 60, { name, id: id as string });
  const ids: MistakeRow[] = [
    ['an empty id', () => onMethod([searched(10, 'search', '')]), AT_LIST, 'id is ""', 'write a non-empty text'],
    [
      'an id that is a number',
      () => onMethod([searched(10, 'search', 7)]),
      AT_LIST,
      'id is 7',
      'write a non-empty text',
    ],
    [
      'limits of one id that disagree in their numbers',
      () => ({
        imports: [RateLimitModule.forRoot()],
        controllers: [...(onMethod([searched(10)]).controllers ?? []), ...(onClass([searched(20)]).controllers ?? [])],
      }),
      AT_CLASS,
      `its bucket is already that of "search" of ${AT_LIST}`,
      'give it another id; limits of one id must agree in name, capacity, refill, algorithm',
    ],
    [
      'limits of one id that disagree in their names',
      () => onMethod([searched(10, 'found'), searched(10, 'search')]),
      AT_LIST,
      `its bucket is already that of "search" of ${AT_LIST}`,
      'give it another id; limits of one id must agree in name, capacity, refill, algorithm',
    ],
    [
      'a limit that disagrees with the default of the same id',
      () => onMethod([searched(10)], { default: { capacity: 20, perSeconds: 60, id: 'search' } }),
      AT_LIST,
      'its bucket is already that of "default" of RateLimitModule.forRoot default',
      'give it another id; limits of one id must agree in name, capacity, refill, algorithm',
    ],
    [
      'two controllers that nothing tells apart',
      () => ({
        imports: [RateLimitModule.forRoot()],
        controllers: [
          reportsController({ path: 'reports', host: 'a.test' }),
          reportsController({ path: 'reports', host: 'b.test' }),
        ],
      }),
      AT_CLASS,
      'another controller has the same module, class name, version and path',
      'rename one of the classes, or give the limit an id of its own',
    ],
  ];
  it.each(ids)('refuses %s', expectMistake);
});

function withDefault() {
  return { default: { capacity: 10, perSeconds: 60 } };
}
