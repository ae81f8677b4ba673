import { Controller, type ExecutionContext, Get } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { type CostFunction, RateLimit, RateLimitModule, type RateLimitModuleOptions, user } from 'nestjs-token-bucket';
import { stillStorage } from './support/admission.js';
import { type Platform, PLATFORMS } from './support/app.js';
import { limitFields, members, remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';
import { as, SignInGuard } from './support/sign-in.js';

/** Who the rules below go by. */
interface Asking {
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** What fails of a limit, as the request says; nothing where it does not say. */
function failing(context: ExecutionContext, option: string): void | Promise<void> {
  const { headers } = context.switchToHttp().getRequest<Asking>();
  if (headers['x-fail'] !== option) return undefined;
  if (headers['x-late'] === undefined) throw new Error(`${option} failed`);
  return Promise.reject(new Error(`${option} failed later`));
}

/** At once, and later. */
const TIMES: readonly Record<string, string>[] = [{}, { 'x-late': 'yes' }];
const OPTIONS = ['skipIf', 'tier', 'limits', 'cost', 'by'] as const;
type Option = (typeof OPTIONS)[number];

/** Good values, unless the request wants one to fail. */
function rule<T>(option: Option, value: T): (context: ExecutionContext) => T | Promise<T> {
  return (context) => {
    const failure = failing(context, option);
    return failure === undefined ? value : failure.then(() => value);
  };
}

const RULES = {
  skipIf: rule<boolean>('skipIf', false),
  cost: rule<number>('cost', 1),
};

@Controller('failing')
class FailingController {
  @Get('guard')
  @RateLimit(9, 3600, { name: 'plain' })
  @RateLimit({
    ...RULES,
    name: 'tiers',
    by: rule('by', 'somebody'),
    tiers: { only: '9/hour' },
    tier: rule('tier', 'only'),
  })
  @RateLimit(rule('limits', '9/hour'), { name: 'made' })
  guard(): string {
    return 'before authentication';
  }

  @Get('interceptor')
  @RateLimit(9, 3600, { name: 'address' })
  @RateLimit(9, 3600, { name: 'plain', by: user() })
  @RateLimit({ ...RULES, name: 'tiers', by: user(), tiers: { only: '9/hour' }, tier: rule('tier', 'only') })
  @RateLimit(rule('limits', '9/hour'), { name: 'made', by: user() })
  interceptor(): string {
    return 'after it';
  }
}

const start = useApps();
const startFailing = (options: RateLimitModuleOptions = {}, platform: Platform = 'express') =>
  start({
    platform,
    imports: [RateLimitModule.forRoot({ storage: stillStorage(), ...options })],
    controllers: [FailingController],
    providers: [{ provide: APP_GUARD, useClass: SignInGuard }],
  });

/** Left of each policy, which was the same for all of them. */
const left = (response: Response) =>
  Object.fromEntries(Object.entries(members(response, 'RateLimit')).map(([name, { r }]) => [name, r]));

const unheard: unknown[] = [];
const hear = (reason: unknown): void => void unheard.push(reason);
beforeAll(() => void process.on('unhandledRejection', hear));
afterAll(() => void process.off('unhandledRejection', hear));
afterEach(() => expect(unheard).toEqual([]));

describe.each(PLATFORMS)('A rule of a limit that fails on %s', (platform) => {
  it.each(OPTIONS.flatMap((option) => TIMES.map((time) => [option, time] as const)))(
    'before authentication is a 500 that charges nothing and tells nothing: %s %j',
    async (option, time) => {
      const app = await startFailing({}, platform);
      for (let i = 0; i < 3; i++) {
        const failed = await app.get('/failing/guard', undefined, { headers: { 'x-fail': option, ...time } });
        expect([failed.status, limitFields(failed)]).toEqual([500, {}]);
        expect(await failed.text()).not.toContain('failed');
      }
      expect(left(await app.get('/failing/guard'))).toEqual({ plain: 8, 'tiers.only': 8, made: 8 });
    },
  );

  it.each(
    OPTIONS.filter((option) => option !== 'by').flatMap((option) => TIMES.map((time) => [option, time] as const)),
  )('after it is a 500 that charges nothing more than what came before: %s %j', async (option, time) => {
    const app = await startFailing({}, platform);
    const headers = { ...as('anna').headers, 'x-fail': option, ...time };
    for (let i = 0; i < 3; i++) {
      expect((await app.get('/failing/interceptor', undefined, { headers })).status).toBe(500);
    }
    const next = await app.get('/failing/interceptor', undefined, as('anna'));
    // Like an error of a handler: whoever can provoke one is limited by address all the same.
    expect(left(next)).toEqual({ address: 5, plain: 8, 'tiers.only': 8, made: 8 });
  });

  it.each(TIMES)('of the whole module is a 500 that charges nothing %j', async (time) => {
    const app = await startFailing({ skipIf: RULES.skipIf }, platform);
    const failed = await app.get('/failing/guard', undefined, { headers: { 'x-fail': 'skipIf', ...time } });
    expect([failed.status, limitFields(failed)]).toEqual([500, {}]);
    expect(left(await app.get('/failing/guard'))).toEqual({ plain: 8, 'tiers.only': 8, made: 8 });
  });
});

describe('Functions of a request', () => {
  it('see a user only where the limit is by user', async () => {
    const seen: unknown[] = [];
    const cost: CostFunction = (context) => {
      seen.push(context.switchToHttp().getRequest<{ user?: { id: string } }>().user?.id);
      return 1;
    };
    @Controller('seeing')
    class SeeingController {
      @Get() @RateLimit(5, 60, { name: 'address', cost }) @RateLimit(5, 60, { name: 'own', by: user(), cost }) see() {
        return 'seen';
      }
    }
    const app = await start({
      imports: [RateLimitModule.forRoot({ storage: stillStorage() })],
      controllers: [SeeingController],
      providers: [{ provide: APP_GUARD, useClass: SignInGuard }],
    });
    await app.get('/seeing', undefined, as('anna'));
    expect(seen).toEqual([undefined, 'anna']);
  });

  it('that are dearer than the smallest limit of a group take nothing from the others', async () => {
    @Controller('dear')
    class DearController {
      @Get()
      @RateLimit('3/minute; 100/hour', {
        cost: (context) => Number(context.switchToHttp().getRequest<Asking>().headers['x-cost'] ?? '1'),
      })
      dear(): string {
        return 'dear';
      }
    }
    const app = await start({
      imports: [RateLimitModule.forRoot({ storage: stillStorage() })],
      controllers: [DearController],
    });
    const refused = await app.get('/dear', undefined, { headers: { 'x-cost': '4' } });
    expect([refused.status, refused.headers.get('Retry-After')]).toEqual([429, null]);
    const next = await app.get('/dear');
    expect([remaining(next, 'default.minute'), remaining(next, 'default.hour')]).toEqual([2, 99]);
  });

  it('may give objects of classes, each with its own numbers', async () => {
    class Plan {
      readonly #size: number;
      constructor(size: number) {
        this.#size = size;
      }
      get capacity(): number {
        return this.#size;
      }
      get perSeconds(): number {
        return 60;
      }
    }
    @Controller('plans')
    class PlansController {
      @Get()
      @RateLimit((context) => new Plan(Number(context.switchToHttp().getRequest<Asking>().headers['x-size'])))
      plan(): string {
        return 'by a plan';
      }
    }
    const app = await start({
      imports: [RateLimitModule.forRoot({ storage: stillStorage() })],
      controllers: [PlansController],
    });
    for (const size of [10, 20]) {
      const answer = await app.get('/plans', `203.0.113.${size}`, { headers: { 'x-size': String(size) } });
      expect(members(answer, 'RateLimit-Policy')).toEqual({ default: { q: size, w: 60 } });
    }
  });
});
