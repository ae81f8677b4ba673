import { Controller, type ExecutionContext, Get } from '@nestjs/common';
import {
  type BucketShape,
  everyone,
  type LimitFunction,
  type Limits,
  RateLimit,
  RateLimitModule,
} from 'nestjs-token-bucket';
import { admitted, stillStorage } from './support/admission.js';
import { remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';

type Algorithm = NonNullable<BucketShape['algorithm']>;

const ADMITTED = {
  'token-bucket': 3,
  'fixed-window': 3,
  'leaky-bucket': 1,
  'sliding-window-log': 3,
  'sliding-window-counter': 3,
} satisfies Record<Algorithm, number>;
const ALGORITHMS = Object.keys(ADMITTED) as Algorithm[];
const THREE_A_YEAR = { capacity: 3, perSeconds: 31_536_000 };

/** A limit whose algorithm is said beside the function or by it. */
function limitedBy(numbers: LimitFunction, algorithm?: Algorithm) {
  @Controller()
  class NumbersController {
    @Get() @RateLimit(numbers, { by: everyone(), ...(algorithm && { algorithm }) }) numbers(): string {
      return 'by a function';
    }
  }
  return NumbersController;
}

const start = useApps();

describe.each(LANES)('The algorithm of numbers by a function on $platform with $storage', ({ platform, storage }) => {
  it.each(ALGORITHMS)('may be said beside it, or by it: %s', async (algorithm) => {
    const counts: number[] = [];
    for (const controller of [
      limitedBy(() => THREE_A_YEAR, algorithm),
      limitedBy(() => Promise.resolve(THREE_A_YEAR), algorithm),
      limitedBy(() => '3 per 365 days', algorithm),
      limitedBy(() => ({ ...THREE_A_YEAR, algorithm })),
    ]) {
      const imports = [RateLimitModule.forRoot({ storage: makeStorage(storage) })];
      const app = await start({ platform, imports, controllers: [controller] });
      counts.push(await admitted(app, '/', 5));
    }
    expect(counts).toEqual(Array.from({ length: 4 }, () => ADMITTED[algorithm]));
  });
});

const SLIDING = ['sliding-window-log', 'sliding-window-counter'] as const;
const AN_HOUR = { capacity: 10, perSeconds: 3600 };
const A_SECOND = { capacity: 1, perSeconds: 1 };

describe.each(SLIDING)('Numbers by a function for a %s', (algorithm) => {
  const asked = (context: ExecutionContext): string =>
    context.switchToHttp().getRequest<{ url: string }>().url.slice(1);
  const numbersOf =
    (table: Readonly<Record<string, Limits>>): LimitFunction =>
    (context) =>
      table[asked(context)]!;

  async function startWith(table: Readonly<Record<string, Limits>>, options: object = { algorithm }) {
    @Controller()
    @RateLimit(numbersOf(table), { by: everyone(), ...options })
    class SeveralController {
      @Get('hour') hour(): string {
        return 'an hour';
      }
      @Get('more') more(): string {
        return 'more in an hour';
      }
      @Get('second') second(): string {
        return 'a second';
      }
    }
    const imports = [RateLimitModule.forRoot({ storage: stillStorage() })];
    return start({ imports, controllers: [SeveralController] });
  }

  it('count on when the capacity changes', async () => {
    const app = await startWith({ hour: AN_HOUR, more: { ...AN_HOUR, capacity: 20 } });
    expect(await admitted(app, '/hour', 11)).toBe(10);
    expect(remaining(await app.get('/more'))).toBe(9);
  });

  it.each([
    ['beside it', { hour: AN_HOUR, second: A_SECOND }, { algorithm }],
    ['by it', { hour: { ...AN_HOUR, algorithm }, second: { ...A_SECOND, algorithm } }, {}],
  ] as const)(
    'have a bucket for each length of the window, said %s: none forgets what another counts',
    async (_form, table, options) => {
      const app = await startWith(table, options);
      expect(await admitted(app, '/hour', 9)).toBe(9);
      expect(await admitted(app, '/second', 2)).toBe(1);
      expect(await admitted(app, '/hour', 2)).toBe(1);
    },
  );

  it('may be those of tiers', async () => {
    @Controller()
    class TiersController {
      @Get()
      @RateLimit({ tiers: { a: '2/minute; 5/hour', b: '9/minute' }, tier: () => 'a', algorithm, by: everyone() })
      tiers(): string {
        return 'by a tier';
      }
    }
    const imports = [RateLimitModule.forRoot({ storage: stillStorage() })];
    expect(await admitted(await start({ imports, controllers: [TiersController] }), '/', 4)).toBe(2);
  });
});
