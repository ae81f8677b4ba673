import { describeValue, misconfigured } from './errors.js';
import { LimitScanner } from './limit-scanner.js';
import { MAX_CAPACITY_UNITS, MAX_PERIOD_SECONDS } from './policy-checks.js';

/** One limit of a limit string. */
export interface ParsedLimit {
  /** Tokens a full bucket holds. Integer from 1 to 2^51. */
  readonly capacity: number;
  /** Seconds to refill from empty to full. Integer from 1 to 31 622 400 (366 days). */
  readonly perSeconds: number;
  /** Tells the limits of one string apart: the unit (`minute`) where its count is 1, else both (`5-minutes`). */
  readonly name: string;
}

/** Longer texts are no limits that anybody wrote. */
const LONGEST_TEXT = 256;

/** Only what always lasts the same. */
const UNITS: ReadonlyMap<string, readonly [name: string, seconds: number]> = new Map(
  (
    [
      [['s', 'sec', 'secs', 'second', 'seconds'], 'second', 1],
      [['m', 'min', 'mins', 'minute', 'minutes'], 'minute', 60],
      [['h', 'hr', 'hrs', 'hour', 'hours'], 'hour', 3600],
      [['d', 'day', 'days'], 'day', 86_400],
      [['w', 'week', 'weeks'], 'week', 7 * 86_400],
    ] as const
  ).flatMap(([words, name, seconds]) => words.map((word) => [word, [name, seconds]] as const)),
);

/** What people write and what no bucket can mean, with the reason and the way out. */
const NO_UNITS: readonly (readonly [RegExp, problem: string, remedy: string])[] = [
  [
    /^(mo|mon|mth|month|quarter|y|yr|year)s?$/,
    'has no fixed length',
    'write the days that it is to have, for example "1000 per 30 days"; a period has at most 366 of them',
  ],
  [
    /^(ms|msecs?|millis|milliseconds?|us|microseconds?)$/,
    'is shorter than a second, and periods are whole seconds',
    'write what it makes in a second: "1 per 100 milliseconds" is "10/second" with a burst of 10',
  ],
];

/**
 * Reads a limit string: `10/second`, `100 per 5 minutes`, `10/second; 100/minute; 1000/hour`.
 *
 * ```text
 * limits    = limit , { ( ";" | "," ) , limit } ;
 * limit     = number , ( "/" | "per" ) , [ number ] , unit ;
 * number    = digit , { [ "_" ] , digit } ;
 * unit      = "s" | "sec" | "secs" | "second" | "seconds"
 *           | "m" | "min" | "mins" | "minute" | "minutes"
 *           | "h" | "hr" | "hrs" | "hour" | "hours"
 *           | "d" | "day" | "days"
 *           | "w" | "week" | "weeks" ;
 * ```
 *
 * Spaces, tabs and line breaks may stand between any two of these and at both ends, and no letter right behind `per`.
 * Capital letters are the same as small ones (`M` is a minute). The first number is the capacity, from 1 to 2^51 tokens;
 * the second counts the unit, 1 where it is left out, and at most 366 days in all. A day is 86 400 seconds and a week
 * seven days; months and years are no units, because they have no fixed length. Thousands are written `1_000`, because a
 * comma separates limits. No two limits of one string have the same period, or one of them would never count. At most
 * 256 characters.
 *
 * @param where the place to name in error messages, for example `@RateLimit on ReportsController.list`.
 * @throws RateLimitConfigurationError that shows the text and points at the character.
 */
export function parseLimits(text: string, where: string): readonly ParsedLimit[] {
  if (typeof text !== 'string' || text.length > LONGEST_TEXT) {
    const length = typeof text === 'string' ? ` of ${text.length} characters` : '';
    misconfigured(
      where,
      `the limits are ${describeValue(text)}${length}; expected a text of at most ${LONGEST_TEXT} characters`,
      'write limits as in "10/second; 100 per 5 minutes"',
    );
  }
  const scanner = new LimitScanner(text, where);
  const limits = new Map<number, ParsedLimit>();
  do {
    const start = scanner.position;
    const limit = parseLimit(scanner);
    const twin = limits.get(limit.perSeconds);
    if (twin !== undefined) {
      scanner.fail(
        start,
        `a second limit per ${limit.perSeconds} s stands beside that of ${twin.capacity}, and only the smaller one counts`,
        'leave one of the two out',
      );
    }
    limits.set(limit.perSeconds, limit);
  } while (scanner.nextLimit());
  return [...limits.values()];
}

function parseLimit(scanner: LimitScanner): ParsedLimit {
  const capacity = scanner.number('an amount', MAX_CAPACITY_UNITS, 'to lift a limit use @SkipRateLimit()');
  if (capacity === undefined) scanner.failAtNext('an amount');
  if (!scanner.per()) scanner.failAtNext('"/" or "per"');
  const start = scanner.position;
  const count = scanner.number('a count', MAX_PERIOD_SECONDS, 'a period has at least one second');
  const [unit, unitSeconds] = parseUnit(scanner, count !== undefined);
  const perSeconds = (count ?? 1) * unitSeconds;
  if (perSeconds > MAX_PERIOD_SECONDS) {
    scanner.fail(start, `the period has ${perSeconds} s; expected at most 366 days`, 'choose a shorter period');
  }
  return { capacity, perSeconds, name: count === undefined || count === 1 ? unit : `${count}-${unit}s` };
}

function parseUnit(scanner: LimitScanner, counted: boolean): readonly [name: string, seconds: number] {
  const start = scanner.position;
  const word = scanner.word();
  if (word === undefined)
    return scanner.failAtNext(counted ? 'a unit of time' : 'a unit of time, or a count and a unit');
  const unit = UNITS.get(word.toLowerCase());
  if (unit !== undefined) return unit;
  const never = NO_UNITS.find(([pattern]) => pattern.test(word.toLowerCase()));
  if (never !== undefined) return scanner.fail(start, `this ${never[1]}`, never[2]);
  return scanner.fail(
    start,
    'this is no unit of time',
    'use second, minute, hour, day or week, or their first letters',
  );
}
