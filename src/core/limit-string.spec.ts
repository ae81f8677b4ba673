import { RateLimitConfigurationError } from './errors.js';
import { type ParsedLimit, parseLimits } from './limit-string.js';

const limit = (capacity: number, perSeconds: number, name: string): ParsedLimit => ({ capacity, perSeconds, name });

function messageOf(text: unknown): string {
  try {
    return `accepted: ${JSON.stringify(parseLimits(text as string, 'here'))}`;
  } catch (error) {
    if (!(error instanceof RateLimitConfigurationError)) throw error;
    return error.message;
  }
}

it.each<[string, ...ParsedLimit[]]>([
  ['10/second', limit(10, 1, 'second')],
  ['1/day', limit(1, 86_400, 'day')],
  ['10 per 5 minutes', limit(10, 300, '5-minutes')],
  ['10/second; 100/minute; 1000/hour', limit(10, 1, 'second'), limit(100, 60, 'minute'), limit(1000, 3600, 'hour')],
  ['5/m,7/2h', limit(5, 60, 'minute'), limit(7, 7200, '2-hours')],
  ['1_000_000/30 days', limit(1_000_000, 2_592_000, '30-days')],
  ['\t10\n/\r\n 1 \n SECOND ; 20Per2S ', limit(10, 1, 'second'), limit(20, 2, '2-seconds')],
  ['007/001h', limit(7, 3600, 'hour')],
  ['9/60 s', limit(9, 60, '60-seconds')],
  ['1/1 week; 2/2w', limit(1, 604_800, 'week'), limit(2, 1_209_600, '2-weeks')],
  ['2251799813685248/31622400s', limit(2 ** 51, 366 * 86_400, '31622400-seconds')],
  ['1/366 days', limit(1, 366 * 86_400, '366-days')],
])('%j', (text, ...limits) => {
  expect(parseLimits(text, 'here')).toEqual(limits);
});

it.each([
  [1, 'second', ['s', 'sec', 'secs', 'second', 'seconds', 'S', 'Sec']],
  [60, 'minute', ['m', 'min', 'mins', 'minute', 'minutes', 'M', 'MIN']],
  [3600, 'hour', ['h', 'hr', 'hrs', 'hour', 'hours']],
  [86_400, 'day', ['d', 'day', 'days']],
  [604_800, 'week', ['w', 'week', 'weeks']],
])('a unit of %d s is called %s however it is spelled', (seconds, name, words) => {
  for (const word of words) {
    expect(parseLimits(`3/${word}`, 'here')).toEqual([limit(3, seconds, name)]);
    expect(parseLimits(`3 per 2 ${word}`, 'here')).toEqual([limit(3, 2 * seconds, `2-${name}s`)]);
  }
});

describe('what is wrong is pointed at', () => {
  const form = 'write limits as in "10/second; 100 per 5 minutes", thousands as in 1_000';

  it.each([
    ['', '"«»", column 1: the text ends here; expected an amount', form],
    ['  ', '"  «»", column 3: the text ends here; expected an amount', form],
    ['10', '"10«»", column 3: the text ends here; expected "/" or "per"', form],
    ['10/', '"10/«»", column 4: the text ends here; expected a unit of time, or a count and a unit', form],
    ['10/5', '"10/5«»", column 5: the text ends here; expected a unit of time', form],
    ['10/second;', '"10/second;«»", column 11: the text ends here; expected an amount', form],
    ['10/second;;1/m', '"10/second;«;»1/m", column 11: this fits nowhere; expected an amount', form],
    ['10/second 1/m', '"10/second «1»/m", column 11: this fits nowhere; expected ";" or the end', form],
    ['per second', '"«per» second", column 1: this fits nowhere; expected an amount', form],
    ['10 requests per s', '"10 «requests» per s", column 4: this fits nowhere; expected "/" or "per"', form],
    ['10 perhour', '"10 «perhour»", column 4: this fits nowhere; expected "/" or "per"', form],
    ['1,000/hour', '"1«,»000/hour", column 2: this fits nowhere; expected "/" or "per"', form],
    ['1e3/hour', '"1«e3»/hour", column 2: this fits nowhere; expected "/" or "per"', form],
    ['10//s', '"10/«/»s", column 4: this fits nowhere; expected a unit of time, or a count and a unit', form],
    ['10\u00a0/s', '"10«\\u00a0»/s", column 3: this fits nowhere; expected "/" or "per"', form],
    ['1/s;\ud83d\ude00', '"1/s;«\\ud83d\\ude00»", column 5: this fits nowhere; expected an amount', form],
    ['1/s;\ud83d', '"1/s;«\\ud83d»", column 5: this fits nowhere; expected an amount', form],
    ['1/s;"\\', '"1/s;«\\"»\\\\", column 5: this fits nowhere; expected an amount', form],
    [
      '10/secnd',
      '"10/«secnd»", column 4: this is no unit of time',
      'use second, minute, hour, day or week, or their first letters',
    ],
    [
      '9/month',
      '"9/«month»", column 3: this has no fixed length',
      'write the days that it is to have, for example "1000 per 30 days"; a period has at most 366 of them',
    ],
    [
      '9/100 ms',
      '"9/100 «ms»", column 7: this is shorter than a second, and periods are whole seconds',
      'write what it makes in a second: "1 per 100 milliseconds" is "10/second" with a burst of 10',
    ],
    [
      '0/s',
      '"«0»/s", column 1: expected an amount, a whole number from 1 to 2251799813685248',
      'write at least 1; to lift a limit use @SkipRateLimit()',
    ],
    [
      '2_251_799_813_685_249/s',
      '"«2_251_799_813_685_249»/s", column 1: expected an amount, a whole number from 1 to 2251799813685248',
      'write a smaller number',
    ],
    [
      '9/0 s',
      '"9/«0» s", column 3: expected a count, a whole number from 1 to 31622400',
      'write at least 1; a period has at least one second',
    ],
    [
      '9/367 days',
      '"9/«367 days»", column 3: the period has 31708800 s; expected at most 366 days',
      'choose a shorter period',
    ],
    [
      '5/minute; 9/60s ;1/h',
      '"5/minute; «9/60s» ;1/h", column 11: a second limit per 60 s stands beside that of 5, and only the smaller one counts',
      'leave one of the two out',
    ],
  ])('%j', (text, problem, remedy) => {
    expect(messageOf(text)).toBe(`here: limits ${problem}. Remedy: ${remedy}.`);
  });

  it.each(['1.5', '-5', '+5', '.5', '5.', '1__0', '1_', '1._0'])('%s is no whole number', (amount) => {
    const problem = 'expected an amount, a whole number from 1 to 2251799813685248';
    expect(messageOf(`${amount}/s`)).toBe(
      `here: limits "«${amount}»/s", column 1: ${problem}. Remedy: write digits only, thousands as in 1_000.`,
    );
    expect(messageOf(`7/${amount} s`)).toContain(`limits "7/«${amount}» s", column 3: expected a count, a whole`);
  });

  it.each(['months', 'mo', 'y', 'yrs', 'years', 'quarter', 'MONTH'])('%s has no fixed length', (unit) => {
    expect(messageOf(`1/${unit}`)).toContain(
      `"1/«${unit}»", column 3: this has no fixed length. Remedy: write the days`,
    );
  });

  it('of a long text only what stands around it is shown', () => {
    const problem = 'this fits nowhere; expected ";" or the end';
    const text = `${' '.repeat(100)}1/s ${'x'.repeat(60)}${' '.repeat(50)}`;
    const shown = `…${' '.repeat(36)}1/s «${'x'.repeat(40)}…»${' '.repeat(40)}…`;
    expect(messageOf(text)).toBe(`here: limits "${shown}", column 105: ${problem}. Remedy: ${form}.`);
  });

  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [10, '10'],
    [['10/s'], '["10/s"]'],
    ['1/s'.padEnd(257), `"1/s${' '.repeat(73)}... of 257 characters`],
  ])('%p is no text of limits', (value, shown) => {
    expect(messageOf(value)).toBe(
      `here: the limits are ${shown}; expected a text of at most 256 characters. ` +
        'Remedy: write limits as in "10/second; 100 per 5 minutes".',
    );
  });
});
