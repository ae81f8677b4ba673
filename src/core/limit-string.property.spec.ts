import * as fc from 'fast-check';
import { RateLimitConfigurationError } from './errors.js';
import { type ParsedLimit, parseLimits } from './limit-string.js';
import { Policy } from './policy.js';

const SEED = 20_261_121;
const UNITS = [
  ['second', 1, ['s', 'sec', 'secs', 'second', 'seconds']],
  ['minute', 60, ['m', 'min', 'mins', 'minute', 'minutes']],
  ['hour', 3600, ['h', 'hr', 'hrs', 'hour', 'hours']],
  ['day', 86_400, ['d', 'day', 'days']],
  ['week', 604_800, ['w', 'week', 'weeks']],
] as const;
const space = fc.stringMatching(/^[ \t\r\n]{0,2}$/);
const capitals = (text: string) =>
  fc.array(fc.boolean()).map((up) => text.replace(/./g, (c) => (up.pop() ? c.toUpperCase() : c)));
const number = (value: number) =>
  fc.constantFrom(String(value), `0${value}`, String(value).replace(/(?<=\d)(?=(\d{3})+$)/g, '_'));

/** One limit and a text that means it. */
const printed = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 51 }), fc.constantFrom(...UNITS), fc.integer({ min: 1, max: 52 }), fc.boolean())
  .chain(([capacity, [name, seconds, words], count, leftOut]) =>
    fc
      .tuple(
        number(capacity),
        fc.constantFrom('/', 'per').chain(capitals),
        count === 1 && leftOut ? fc.constant('') : number(count),
        fc.constantFrom(...words).chain(capitals),
        fc.array(space, { minLength: 5, maxLength: 5 }),
      )
      .map(([amount, per, times, word, [a, b, c, d, e]]) => ({
        text: [a, amount, b, per, per === '/' || times !== '' ? '' : ' ', c, times, d, word, e].join(''),
        limit: { capacity, perSeconds: count * seconds, name: count === 1 ? name : `${count}-${name}s` },
      })),
  );

const PIECES = ['10', '0', '1_', '9'.repeat(30), '/', 'per', ' ', '\t', ';', 's', 'month', 'days', '.', '-', '\0', 'é'];
const anyText = fc.oneof(
  // As long as it may be, of what could be read in more than one way.
  fc.constantFrom('1_', 'per', ' ', '1/s;', '1 per 1', '9', '1/x').map((piece) => piece.repeat(256 / piece.length)),
  fc.array(fc.constantFrom(...PIECES), { maxLength: 20 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 300 }),
  // What is valid but for one place.
  fc.tuple(printed, fc.nat(), fc.string({ unit: 'binary', maxLength: 2 })).map(([{ text }, at, put]) => {
    const cut = at % (text.length + 1);
    return text.slice(0, cut) + put + text.slice(cut + 1);
  }),
);

it('what is printed is read back', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(printed, { selector: ({ limit: { perSeconds } }) => perSeconds, minLength: 1, maxLength: 5 }),
      fc.infiniteStream(fc.constantFrom(';', ',')),
      (all, separators) => {
        const text = all.map((one, i) => (i === 0 ? one.text : separators.next().value! + one.text)).join('');
        expect(parseLimits(text, 'here')).toEqual(all.map((one) => one.limit));
      },
    ),
    { seed: SEED, numRuns: 3000 },
  );
});

it('the answer is a list of limits that policies accept, or the error of configuration', () => {
  const seen = { limits: 0, errors: 0 };
  fc.assert(
    fc.property(anyText, (text) => {
      const outcome = outcomeOf(text);
      if (typeof outcome === 'string') {
        expect(outcome).toMatch(/^here: (limits "[ -~«»…]*", column \d+: |the limits are ")[^]+\. Remedy: [ -~]+\.$/);
        expect(outcome.length).toBeLessThan(1000);
        seen.errors++;
        return;
      }
      expect(outcome).not.toHaveLength(0);
      for (const { capacity, perSeconds, name } of outcome) {
        expect(Number.isSafeInteger(capacity) && perSeconds >= 1 && perSeconds <= 366 * 86_400).toBe(true);
        // As a part of a policy's name; a larger capacity may be too fine for the period.
        if (capacity <= 1000)
          expect(new Policy({ capacity, perSeconds, name: `x-${name}` })).toMatchObject({ perSeconds });
      }
      seen.limits++;
    }),
    { seed: SEED, numRuns: 20_000 },
  );
  expect(Math.min(seen.limits, seen.errors)).toBeGreaterThan(100);
});

/** The limits, or the message of the error; any other error fails the test. */
function outcomeOf(text: string): readonly ParsedLimit[] | string {
  try {
    return parseLimits(text, 'here');
  } catch (error) {
    if (!(error instanceof RateLimitConfigurationError)) throw error;
    return error.message;
  }
}
