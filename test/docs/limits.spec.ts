import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  type INestApplication,
  UseFilters,
} from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { type Decision, MemoryStorage, Policy, RateLimit, RateLimiter, RateLimitModule } from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import request from 'supertest';
import {
  as,
  asController,
  closeApps,
  failWith,
  type RunningApp,
  startApp,
  statusesOfMany,
} from './support/application.js';
import { blockWith } from './support/markdown.js';
import { blocksNotRun, runWith } from './support/run-block.js';

const FILE = 'docs/limits.md';
afterEach(closeApps);

/** An application with the only controller of a block. */
async function startLimited(
  text: string,
  controller: string,
  path: string,
  ...answer: [((asked: { readonly body: unknown }) => unknown)?]
): Promise<RunningApp> {
  const { exports } = await runWith(blockWith(text, FILE));
  return startApp({ modules: [] }, { controllers: [asController(path, exports[controller], ...answer)] });
}

const isRight = (body: unknown): boolean => (body as { password?: string }).password === 'right';

describe('docs/limits.md', () => {
  it.each([
    ['a', '"default";q=30;w=60'],
    ['b', '"own";q=30;w=60'],
    ['c', '"default";q=10;w=5'],
    ['d', '"default.second";q=10;w=1, "default.minute";q=100;w=60, "default.hour";q=1000;w=3600'],
    ['e', '"api.second";q=10;w=1, "api.hour";q=1000;w=3600'],
    ['f', '"default.burst";q=10;w=1, "default.daily";q=1000;w=86400'],
    ['g', '"default.free";q=60;w=60'],
    ['h', '"default";q=60;w=60'],
    ['i', '"default";q=10;w=60'],
    ['j', '"own.second";q=10;w=1, "own.hour";q=1000;w=3600'],
  ])('has a form %s that means %s', async (path, policies) => {
    const { exports } = await runWith(blockWith("@Get('a')", FILE));
    const modules = [RateLimitModule.forRoot({ policies: { exports: '5/minute' } })];
    const app = await startApp({ modules }, { controllers: [exports['ReportsController']!] });
    expect((await app.get(`/reports/${path}`)).headers['ratelimit-policy']).toBe(policies);
    expect((await app.post('/reports/k')).headers['ratelimit']).toBe('"exports";r=3;t=36');
  });

  it('has limit strings of at most 256 characters', async () => {
    const ofLength = (length: number) => RateLimitModule.forRoot({ default: '10/second'.padEnd(length) });
    await startApp({ modules: [ofLength(256)] });
    await expect(startApp({ modules: [ofLength(257)] })).rejects.toThrow('a text of at most 256 characters');
  });

  it('has the same forms for the module', async () => {
    const { modules } = await runWith(blockWith("exports: '5/minute', search:", FILE));
    @Controller()
    class UsesController {
      @Get('exports') @RateLimit('exports') exports(): void {}
      @Get('search') @RateLimit('search') search(): void {}
    }
    const app = await startApp({ modules }, { controllers: [UsesController] });
    const module = '"default.minute";q=100;w=60, "default.hour";q=1000;w=3600';
    expect((await app.get('/exports')).headers['ratelimit-policy']).toBe(`${module}, "exports";q=5;w=60`);
    expect((await app.get('/search')).headers['ratelimit-policy']).toBe(
      `${module}, "search.second";q=10;w=1, "search.minute";q=100;w=60`,
    );
  });

  it('has tiers that are checked together', async () => {
    const { exports } = await runWith(blockWith('const planOf', FILE));
    const app = await startApp({ modules: [] }, { controllers: [exports['ApiController']!] });
    const policies = async (plan: string) => (await app.get('/api', as({ id: 1, plan }))).headers['ratelimit-policy'];
    expect(await policies('free')).toBe('"plan.free.minute";q=60;w=60, "plan.free.daily";q=1000;w=86400');
    expect(await policies('pro')).toBe('"plan.pro.minute";q=1000;w=60, "plan.pro.day";q=100000;w=86400');
    expect(await policies('partner')).toBeUndefined();
    expect((await app.get('/api', as({ id: 1, plan: 'fre' }))).status).toBe(500);
    expect(await app.admitted('/api', as({ id: 1, plan: 'free' }))).toBe(59);
  });

  it('has numbers that were agreed on with a customer', async () => {
    const app = await startLimited('perMinute ?? 60', 'ApiController', 'api');
    const policies = async (user: object) => (await app.get('/api', as(user))).headers['ratelimit-policy'];
    expect(await policies({ id: 1 })).toBe('"default";q=60;w=60');
    expect(await policies({ id: 2, perMinute: 7 })).toBe('"default";q=7;w=60');
  });

  it('has costs that are stated and costs that a request decides', async () => {
    const { exports } = await runWith(blockWith('itemsOf', FILE));
    const controllers = [
      asController('search', exports['SearchController']),
      asController('import', exports['ImportController']),
    ];
    const app = await startApp({ modules: [] }, { controllers });
    expect((await app.get('/search')).headers['x-ratelimit-remaining']).toBe('95');
    const importOf = (items: unknown) => app.post('/import', {}, { items });
    expect((await importOf([1, 2, 3])).headers['x-ratelimit-remaining']).toBe('996');
    expect((await importOf({ length: -99 })).headers['x-ratelimit-remaining']).toBe('995');
    const { status, headers, body } = await importOf(Array.from({ length: 1000 }, () => 0));
    expect([status, headers['x-ratelimit-remaining'], headers['retry-after']]).toEqual([429, '995', undefined]);
    expect(body.message).toMatch('more than the limit ever allows');
  });

  it('lets requests through by the module, by a policy, by a use of it and by a limit', async () => {
    const { modules, exports } = await runWith(blockWith("query.dry === '1'", FILE));
    const prepare = (app: INestApplication) => (app as NestExpressApplication).set('trust proxy', 'loopback');
    const controllers = [
      asController('search', exports['SearchController']),
      asController('mails', exports['MailsController']),
    ];
    const app = await startApp({ modules }, { controllers, prepare });
    const module = '"default";q=100;w=60';
    expect((await app.get('/search')).headers['ratelimit-policy']).toBe(`${module}, "search";q=10;w=1`);
    expect((await app.get('/search?dry=1')).headers['ratelimit-policy']).toBe(module);
    const { headers } = await request(app.app.getHttpServer()).head('/search');
    expect(headers['ratelimit-policy']).toBe(module);
    expect((await app.get('/search', { 'x-forwarded-for': '10.1.2.3' })).headers).not.toHaveProperty('ratelimit');
    const mail = async (draft: boolean) => (await app.post('/mails', {}, { draft })).headers['ratelimit-policy'];
    expect([await mail(false), await mail(true)]).toEqual([`${module}, "mails";q=5;w=60`, module]);
  });

  it('has a message for those who are refused', async () => {
    const app = await startLimited('@RateLimit(24', 'ReportsController', 'reports');
    expect(await app.admitted('/reports')).toBe(24);
    expect((await app.get('/reports')).body.message).toBe('Daily quota exceeded. Retry in 3600 seconds.');
  });

  it('lets 20 wait, and refuses all others at once', async () => {
    const app = await startLimited("name: 'steady'", 'ImportController', 'import');
    const statuses = await statusesOfMany(app, '/import', 10 + 20 + 5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(5);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(10);
  });

  it('counts only failures', async () => {
    const app = await startLimited("name: 'login', refundIf", 'LoginController', 'login', ({ body }) =>
      isRight(body) ? 'welcome' : failWith(401),
    );
    const logIn = async (password: string) => (await app.post('/login', {}, { password })).status;
    for (let i = 0; i < 10; i++) expect(await logIn('right')).toBe(201);
    for (let i = 0; i < 5; i++) expect(await logIn('wrong')).toBe(401);
    expect(await logIn('right')).toBe(429);
  });

  it('charges an estimate, and settles by what was used', async () => {
    const app = await startLimited('settle: ({ result, error })', 'CompletionsController', 'complete', ({ body }) =>
      (body as { tokens?: number }).tokens === undefined ? failWith(500) : body,
    );
    const complete = async (tokens?: number) => {
      const { status, headers } = await app.post('/complete', as({ id: 1 }), { prompt: 'abc', tokens });
      return [status, headers['x-ratelimit-remaining']];
    };
    expect(await complete(700)).toEqual([201, '897']);
    expect(await complete()).toEqual([500, '197']);
    expect(await complete(100)).toEqual([201, '197']);
    expect(await complete(900)).toEqual([201, '97']);
    // It had 200 and owes 400 of the other 700; a minute brings 1000.
    expect(await complete(1)).toEqual([429, '0']);
    app.clock.advanceMs((400 + 103) * 60);
    expect(await complete(1)).toEqual([201, '0']);
  });

  it('has bytes for tokens, says so, and cannot be got round by sending them in chunks', async () => {
    const { exports } = await runWith(blockWith("quotaUnit: 'content-bytes'", FILE));
    const { app } = await startApp({ modules: [] }, { controllers: [exports['UploadsController']!] });
    const upload = () => request(app.getHttpServer()).post('/uploads').type('application/octet-stream');
    const first = await upload().send(Buffer.alloc(1000));
    expect(first.headers['ratelimit-policy']).toBe('"upload";q=1048576;qu="content-bytes";w=60');
    expect([first.status, first.headers['x-ratelimit-remaining']]).toEqual([201, String(1_048_576 - 1000)]);

    for (const body of [Buffer.alloc(10), Buffer.alloc(2 * 1_048_576)]) {
      const chunked = upload();
      chunked.write(body);
      const { status, headers } = await chunked;
      expect([status, headers['x-ratelimit-remaining']]).toEqual([411, undefined]);
    }
    const refused = await upload().send(Buffer.alloc(1_048_576 - 999));
    expect([refused.status, refused.headers['x-ratelimit-remaining']]).toEqual([429, String(1_048_576 - 1000)]);
    expect((await upload().send(Buffer.alloc(1_048_576 - 1000))).headers['x-ratelimit-remaining']).toBe('0');
  });

  it('has rules of uses', async () => {
    const { modules, exports } = await runWith(blockWith("@RateLimit('attempts'", FILE));
    const answer = ({ body }: { readonly body: unknown }) => (isRight(body) ? 'welcome' : failWith(401));
    const controllers = [
      asController('login', exports['LoginController'], answer),
      asController('codes', exports['CodesController'], answer),
    ];
    const app = await startApp({ modules }, { controllers });
    const left = async (path: string, password: string) =>
      (await app.post(path, {}, { password })).headers['x-ratelimit-remaining'];
    expect([await left('/login', 'right'), await left('/codes', 'right')]).toEqual(['4', '4']);
    expect([await left('/login', 'wrong'), await left('/codes', 'wrong')]).toEqual(['4', '3']);
    expect([await left('/login', 'right'), await left('/login', 'right')]).toEqual(['0', '0']);
  });

  it('has one bucket in two places', async () => {
    const { exports } = await runWith(blockWith("id: 'search'", FILE));
    const controllers = [
      asController('people', exports['PeopleController']),
      asController('companies', exports['CompaniesController']),
    ];
    const app = await startApp({ modules: [] }, { controllers });
    expect(await app.admitted('/people')).toBe(10);
    expect(await app.admitted('/companies')).toBe(0);
  });

  it.each([
    [30, '60/minute', '600/minute', '300', undefined],
    [600, '600/minute', '60/minute', '0', '1'],
    [10, '10/hour', '60/minute', '0', '3541'],
  ])('says what is left after %d of %s when the numbers become %s', async (used, before, after, left, wait) => {
    let numbers = before;
    @Controller()
    class NumbersController {
      @Get() @RateLimit(() => numbers) numbers(): string {
        return 'by a function';
      }
    }
    const app = await startApp({ modules: [] }, { controllers: [NumbersController] });
    for (let i = 0; i < used; i++) await app.get('/');
    numbers = after;
    const { headers } = await app.get('/');
    // One that is admitted takes one.
    const taken = wait === undefined ? 1 : 0;
    expect([Number(headers['x-ratelimit-remaining']) + taken, headers['retry-after']]).toEqual([Number(left), wait]);
  });

  it.each([
    ['token-bucket', 500, 6500, 8166],
    ['token-bucket', 220, 7966, 8166],
    ['fixed-window', 500, 8000, 8000],
    ['sliding-window-log', 500, 8000, 8000],
    ['sliding-window-counter', 500, 8000, 8000],
  ] as const)('says what a %s has left after ten estimates of %d', async (algorithm, estimate, left, chargedAtOnce) => {
    const policy = new Policy({ capacity: 10_000, perSeconds: 3600, algorithm });
    const leftOf = async (charged: number) => {
      const clock = new ManualClock();
      const limiter = new RateLimiter(new MemoryStorage({ clock }));
      const charge = { policy, subject: 'user:1' };
      const decisions: Decision[] = [];
      for (let i = 0; i < 10; i++) decisions.push(await limiter.consume({ ...charge, cost: charged }));
      clock.advanceMs(60_000);
      for (const { receipts } of decisions) for (const receipt of receipts) await limiter.settle(receipt, 200);
      return (await limiter.peek(charge)).remaining;
    };
    expect([await leftOf(estimate), await leftOf(200)]).toEqual([left, chargedAtOnce]);
  });

  it('tells rules the status of an error, whatever a filter makes of it', async () => {
    const told: number[] = [];
    @Catch()
    class UnprocessableFilter implements ExceptionFilter {
      catch(_error: Error, host: ArgumentsHost): void {
        host.switchToHttp().getResponse().status(422).json({});
      }
    }
    @Controller()
    @UseFilters(UnprocessableFilter)
    class ToldController {
      @Get() @RateLimit(5, 60, { refundIf: ({ status }) => told.push(status) === 0 }) fail(): never {
        throw new RangeError('out of range');
      }
    }
    const app = await startApp({ modules: [] }, { controllers: [ToldController] });
    expect([(await app.get('/')).status, told]).toEqual([422, [500]]);
  });

  it.each([
    ['a window', { algorithm: 'fixed-window' }, 1],
    ['steps of 2', { refillEverySeconds: 12 }, 9],
  ] as const)('refuses at once what cannot wait for %s', async (_steps, shape, most) => {
    const waits = { ...shape, capacity: 10, perSeconds: 60, onExceeded: 'wait', maxWaitMs: 600_000 } as const;
    const inQuery = (context: ExecutionContext) => Number(context.switchToHttp().getRequest().query.cost);
    @Controller()
    class WaitsController {
      @Get() @RateLimit({ ...waits, cost: inQuery }) wait(): string {
        return 'waited';
      }
    }
    const app = await startApp({ modules: [] }, { controllers: [WaitsController] });
    const get = async (cost: number) => (await app.clock.advanceUntil(app.get(`/?cost=${cost}`))).status;
    expect(await get(10)).toBe(200);
    const nowMicros = app.clock.nowMicros();
    expect([await get(most + 1), app.clock.nowMicros()]).toEqual([429, nowMicros]);
    expect(await get(most)).toBe(200);
    expect(app.clock.nowMicros()).toBeGreaterThan(nowMicros);

    @Controller()
    class StaticController {
      @Get() @RateLimit({ ...waits, cost: most + 1 }) wait(): void {}
    }
    const started = startApp({ modules: [] }, { controllers: [StaticController] });
    await expect(started).rejects.toThrow(`at most ${most} can be waited for`);
  });

  it('was run as a whole by the tests above', () => expect(blocksNotRun(FILE)).toEqual([]));
});
