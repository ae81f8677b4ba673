import { PassThrough } from 'node:stream';
import { setImmediate as turn, setTimeout } from 'node:timers/promises';
import {
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Get,
  Injectable,
  type NestInterceptor,
  Param,
  ParseIntPipe,
  Sse,
  StreamableFile,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  type Decision,
  RateLimit,
  RateLimitDecision,
  RateLimitGuard,
  RateLimitModule,
  type RateLimitModuleOptions,
  type RequestOutcome,
  SkipRateLimit,
  user,
} from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import { finalize, NEVER, type Observable, of, startWith, timeout } from 'rxjs';
import { uniquePrefix } from '../support/redis-testing.js';
import { admitted, stillStorage } from './support/admission.js';
import { type Platform, PLATFORMS } from './support/app.js';
import { limitFields, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { expectMistake, type MistakeRow, onMethod } from './support/mistakes.js';
import { as, SignInGuard } from './support/sign-in.js';

type Headers = Readonly<Record<string, string | undefined>>;
const headersOf = (context: ExecutionContext) => context.switchToHttp().getRequest<{ headers: Headers }>().headers;
const number = (name: string) => (context: ExecutionContext) => Number(headersOf(context)[name] ?? '1');
const sends = (headers: Record<string, string>) => ({ headers });

/** What rules were told, and by which of them. */
const heard: [rule: string, status: number, error: unknown][] = [];
const hears =
  (rule: string, isFree = false) =>
  ({ status, error }: RequestOutcome): boolean => {
    heard.push([rule, status, error]);
    return isFree;
  };

/** Refuses whom X-Refuse names, after a while where it says so. */
@Injectable()
class RefusingGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const refuse = headersOf(context)['x-refuse'];
    if (refuse === 'late') await turn();
    if (refuse !== undefined) throw new ForbiddenException();
    return true;
  }
}

/** Streams that nobody reads any more, and requests that guards have decided about. */
const left: string[] = [];
let goOn: (() => void) | undefined;
let file = new PassThrough();

/** Refuses when a test tells it to. */
@Injectable()
class PatientGuard implements CanActivate {
  async canActivate(): Promise<boolean> {
    await new Promise<void>((resolve) => (goOn = resolve));
    left.push('guard');
    return false;
  }
}

beforeEach(() => {
  heard.length = 0;
  left.length = 0;
  goOn = undefined;
  file = new PassThrough();
});

/** Answers in the place of the handler. */
@Injectable()
class CachingInterceptor implements NestInterceptor {
  intercept(): Observable<unknown> {
    return of('cached');
  }
}

/** Gives up on handlers that take longer. */
@Injectable()
class ImpatientInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(timeout(1));
  }
}

@Controller('phases')
class PhasesController {
  @Get('both')
  @RateLimit(9, 3600, { name: 'address', refundIf: hears('address', true) })
  @RateLimit(2, 3600, { name: 'own', by: user(), refundIf: hears('own') })
  both(): string {
    return 'both phases settle';
  }

  @Get('senseless')
  @RateLimit(9, 3600, { name: 'address', refundIf: hears('address', true) })
  @RateLimit(9, 3600, { name: 'own', by: user(), cost: number('x-cost') })
  senseless(): string {
    return 'the second phase may fail';
  }

  @Get('guarded')
  @UseGuards(RefusingGuard)
  @RateLimit(9, 3600, { name: 'address', refundIf: ({ status }) => status === 403 })
  @RateLimit(9, 3600, { name: 'own', by: user(), refundIf: hears('own') })
  guarded(): string {
    return 'a guard may refuse';
  }
}

@Controller('rules')
@RateLimit(9, 3600, { refundIf: hears('class') })
class RulesController {
  @Get('class') ofClass(): string {
    return 'of the class';
  }

  @Get('other') other(): string {
    return 'of the class, too';
  }

  @Get('skipped') @SkipRateLimit() skipped(): string {
    return 'not limited';
  }

  @Get('both-rules')
  @RateLimit(20, 3600, {
    cost: 5,
    refundIf: ({ result }) => result === 'free',
    settle: (_outcome, context) => number('x-used')(context),
  })
  bothRules(@RateLimitDecision() { remaining: left }: Decision): string {
    return left === 15 ? 'free' : 'paid';
  }

  @Get('estimate')
  @RateLimit('30/minute; 300/hour', {
    cost: number('x-cost'),
    settle: async (_outcome, context) => number('x-used')(context),
  })
  estimate(): string {
    return 'estimated by a function';
  }

  @Get('tiers')
  @RateLimit({
    tiers: { free: '10/hour', pro: '100/hour', partner: 'unlimited' },
    tier: (context) => headersOf(context)['x-plan'] ?? 'free',
    cost: 5,
    settle: ({ status }) => {
      heard.push(['tiers', status, undefined]);
      return 1;
    },
  })
  tiers(): string {
    return 'by tier';
  }

  @Get('skip')
  @RateLimit(9, 3600, {
    skipIf: (context) => headersOf(context)['x-skip'] !== undefined,
    refundIf: hears('skip', true),
  })
  skip(): string {
    return 'skipped by a rule';
  }

  @Get('policy') @RateLimit('jobs') policy(): string {
    return 'by the rule of the policy';
  }

  @Get('use') @RateLimit('jobs', { refundIf: hears('use', true) }) use(): string {
    return 'by the rule of this use';
  }

  @Get('pipe/:id') pipe(@Param('id', ParseIntPipe) id: number): number {
    return id;
  }

  @Get('crash') crash(): never {
    throw new TypeError('a mistake in the program');
  }

  @Get('cached')
  @UseInterceptors(CachingInterceptor)
  @RateLimit(9, 3600, { refundIf: ({ result }) => result === 'cached' })
  cached(): string {
    return 'made anew';
  }

  @Sse('events') events(): Observable<{ data: string }> {
    return NEVER.pipe(
      startWith({ data: 'first' }),
      finalize(() => void left.push('events')),
    );
  }

  @Get('refusing') @UseGuards(PatientGuard) refusing(): string {
    return 'never';
  }

  @Get('file') file(): StreamableFile {
    return new StreamableFile(file);
  }

  @Get('impatient') @UseInterceptors(ImpatientInterceptor) impatient(): Observable<string> {
    return NEVER;
  }
}

const start = useApps();
const startAll = (options: RateLimitModuleOptions = {}, platform?: Platform) =>
  start({
    ...(platform === undefined ? {} : { platform }),
    imports: [
      RateLimitModule.forRoot({
        storage: stillStorage(),
        policies: {
          jobs: { capacity: 9, perSeconds: 3600, cost: 3, refundIf: hears('policy', true), settle: () => 2 },
        },
        ...options,
      }),
    ],
    controllers: [PhasesController, RulesController],
    providers: [{ provide: APP_GUARD, useClass: SignInGuard }],
  });

describe.each(LANES)('Settling in both phases on $platform with $storage', ({ platform, storage }) => {
  it('is over when the second one refuses: all of the first comes back, and no rule is asked', async () => {
    const app = await startAll({ storage: makeStorage(storage) }, platform);
    const both = () => app.get('/phases/both', undefined, as('anna'));
    expect([(await both()).status, (await both()).status]).toEqual([200, 200]);
    heard.length = 0;
    for (let i = 0; i < 3; i++) expect((await both()).status).toBe(429);
    expect(heard).toEqual([]);
    const other = await app.get('/phases/both', undefined, as('bert'));
    expect([remaining(other, 'address'), remaining(other, 'own')]).toEqual([8, 1]);
    expect(heard.map(([rule]) => rule)).toEqual(['address', 'own']);
  });

  it.each(['now', 'late'])('goes by the status where a guard refuses behind ours (%s)', async (when) => {
    const kept = makeStorage(storage);
    const refunds = jest.spyOn(kept, 'refund');
    const app = await startAll({ storage: kept }, platform);
    const refused = sends({ ...as('anna').headers, 'x-refuse': when });
    for (let i = 0; i < 3; i++) expect((await app.get('/phases/guarded', undefined, refused)).status).toBe(403);
    // What is given back then is given back behind the answer.
    while (refunds.mock.results.length < 3) await turn();
    await Promise.all(refunds.mock.results.map(({ value }) => value as unknown));
    expect(remaining(await app.get('/phases/guarded', undefined, as('anna')), 'address')).toBe(8);
    expect(heard.every(([, status]) => status === 200)).toBe(true);
  });
});

describe.each(PLATFORMS)('Settling on %s', (platform) => {
  it('leaves the charge of a client that leaves a stream of events', async () => {
    const app = await startAll({}, platform);
    const gone = new AbortController();
    const events = await app.get('/rules/events', undefined, { signal: gone.signal });
    expect(events.status).toBe(200);
    gone.abort();
    while (left.length === 0) await turn();
    await turn();
    expect(heard).toEqual([]);
    expect(remaining(await app.get('/rules/class'))).toBe(7);
  });

  it('leaves the charge of a client that leaves before a guard refuses', async () => {
    const app = await startAll({}, platform);
    const gone = new AbortController();
    const answer = app.get('/rules/refusing', undefined, { signal: gone.signal });
    while (goOn === undefined) await turn();
    gone.abort();
    await expect(answer).rejects.toThrow();
    // The other end of the connection hears of it a little later.
    await setTimeout(50);
    goOn();
    while (left.length === 0) await turn();
    expect(remaining(await app.get('/rules/class'))).toBe(7);
    expect(heard.map(([, status]) => status)).toEqual([200]);
  });

  it('hears of a file when the handler has returned it, before it was sent', async () => {
    const app = await startAll({}, platform);
    const answer = app.get('/rules/file');
    while (heard.length === 0) await turn();
    file.end('content');
    expect(await (await answer).text()).toBe('content');
    expect(heard).toHaveLength(1);
  });
});

describe('Settling', () => {
  it('leaves charged what came before a second phase that failed', async () => {
    const app = await startAll();
    const failed = await app.get('/phases/senseless', undefined, sends({ ...as('anna').headers, 'x-cost': '0' }));
    expect([failed.status, heard]).toEqual([500, []]);
    const next = await app.get('/phases/senseless', undefined, as('anna'));
    expect([remaining(next, 'address'), remaining(next, 'own')]).toEqual([7, 8]);
  });

  it('is of a class for all its methods, and of nothing where nothing is limited', async () => {
    const app = await startAll();
    await app.get('/rules/class');
    await app.get('/rules/other');
    await app.get('/rules/skipped');
    expect(heard.map(([rule]) => rule)).toEqual(['class', 'class']);
  });

  it('asks refundIf first, and settle only where that does not give back all', async () => {
    const app = await startAll();
    for (const used of ['5', '7', '1']) {
      const answer = await app.get('/rules/both-rules', undefined, sends({ 'x-used': used }));
      expect([await answer.text(), remaining(answer)]).toEqual(['free', 15]);
    }
    await app.get('/rules/both-rules', '203.0.113.2');
    expect(remaining(await app.get('/rules/both-rules', '203.0.113.2'))).toBe(15);
  });

  it('corrects what a function of the request estimated, in every limit of a group', async () => {
    const app = await startAll();
    const ask = (cost: string, used: string) =>
      app.get('/rules/estimate', undefined, sends({ 'x-cost': cost, 'x-used': used }));
    // The fields tell of the charge: what the request will really have cost is not known yet.
    const first = await ask('10', '4');
    expect([remaining(first, 'default.minute'), remaining(first, 'default.hour')]).toEqual([20, 290]);
    const second = await ask('10', '13');
    expect([remaining(second, 'default.minute'), remaining(second, 'default.hour')]).toEqual([16, 286]);
    expect(remaining(await ask('1', '1'), 'default.minute')).toBe(12);
  });

  it('corrects the bucket of the tier, and is not asked of one without limits', async () => {
    const app = await startAll();
    const plan = (name: string) => app.get('/rules/tiers', undefined, sends({ 'x-plan': name }));
    await plan('pro');
    await plan('partner');
    expect(heard).toHaveLength(1);
    expect(remaining(await plan('pro'), 'default.pro')).toBe(94);
    expect(remaining(await plan('free'), 'default.free')).toBe(5);
  });

  it('is not asked where the limit was skipped', async () => {
    const app = await startAll();
    const skipped = await app.get('/rules/skip', undefined, sends({ 'x-skip': 'yes' }));
    expect([skipped.status, limitFields(skipped), heard]).toEqual([200, {}, []]);
    await app.get('/rules/skip');
    expect(heard).toHaveLength(1);
  });

  it("goes by the rules of the policy, or by those of this use in the place of all the policy's", async () => {
    const app = await startAll();
    await app.get('/rules/policy');
    await app.get('/rules/use');
    const rules = heard.map(([rule]) => rule).filter((rule) => rule !== 'class');
    expect(rules).toEqual(['policy', 'use']);
    expect(remaining(await app.get('/rules/policy'), 'jobs')).toBe(6);
  });

  it('hears of errors of pipes, handlers and interceptors with the status of the answer', async () => {
    const app = await startAll();
    const statuses: number[] = [];
    for (const path of ['pipe/x', 'crash', 'impatient']) statuses.push((await app.get(`/rules/${path}`)).status);
    expect(heard.map(([, status]) => status)).toEqual(statuses);
    expect(statuses).toEqual([400, 500, 500]);
    expect(heard.map(([, , error]) => (error as Error | undefined)?.name)).toEqual([
      'BadRequestException',
      'TypeError',
      'TimeoutError',
    ]);
  });

  it('hears what an interceptor answered in the place of the handler', async () => {
    const app = await startAll();
    for (let i = 0; i < 3; i++) expect(remaining(await app.get('/rules/cached'))).toBe(8);
  });

  it('goes on in an outage, on what this process counts', async () => {
    const logger = { warn: () => {} };
    const storage = new RedisStorage({ url: 'redis://127.0.0.1:1', prefix: uniquePrefix(), deadlineMs: 20, logger });
    const app = await startAll({ storage });
    expect(await admitted(app, '/rules/skip', 12)).toBe(12);
    expect(await admitted(app, '/rules/class', 12)).toBe(9);
  });
});

const AT_LIST = '@RateLimit on ReportsController.list';
const ROWS: readonly MistakeRow[] = [
  [
    'settling where only the guard is mounted by hand',
    () => onMethod([RateLimit(1, 1, { refundIf: () => true }), UseGuards(RateLimitGuard)], { global: false }),
    AT_LIST,
    'refundIf and settle hear of the outcome from the RateLimitInterceptor',
    'APP_INTERCEPTOR',
  ],
  [
    'a settle that is no function, where a shared policy is used',
    () => onMethod([RateLimit('jobs', { settle: 3 as never })], { policies: { jobs: { capacity: 1, perSeconds: 1 } } }),
    AT_LIST,
    'settle is 3',
    'settle: (outcome)',
  ],
  [
    'an option of the limit where a shared policy is used',
    () =>
      onMethod([RateLimit('jobs', { maxDebt: 3 } as never)], { policies: { jobs: { capacity: 1, perSeconds: 1 } } }),
    AT_LIST,
    'unknown option "maxDebt"',
    'refundIf',
  ],
  [
    'a debt below nothing',
    () => onMethod([RateLimit(1, 1, { maxDebt: -1 })]),
    `Policy "default" (${AT_LIST})`,
    'maxDebt is -1',
    'at least 0',
  ],
];

describe('An application with settling that cannot mean anything', () => {
  it.each(ROWS)('refuses %s', expectMistake);
});
