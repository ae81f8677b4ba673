import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import {
  BadRequestException,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  HttpCode,
  Injectable,
  Post,
  type Provider,
  Req,
  Sse,
  UnauthorizedException,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  MemoryStorage,
  RateLimit,
  RateLimitModule,
  type RateLimitModuleOptions,
  type RequestOutcome,
  user,
} from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { from, type Observable } from 'rxjs';
import { admitted, stillStorage } from './support/admission.js';
import type { Platform } from './support/app.js';
import { remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { expectMistake, type MistakeRow, onMethod } from './support/mistakes.js';
import { SignInGuard, as } from './support/sign-in.js';

const requestOf = (context: ExecutionContext) =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();

/** What rules were told. */
const heard: RequestOutcome[] = [];
/** Handlers that wait until a test lets them go on, and those of them whose client has gone meanwhile. */
let waiting: (() => void)[] = [];
let left = 0;

@Controller('settle')
class SettlingController {
  @Post('login')
  @HttpCode(200)
  @RateLimit(2, 3600, { refundIf: ({ status }) => status < 400 })
  login(): string {
    return 'welcome';
  }

  @Post('login-failed')
  @RateLimit(2, 3600, { refundIf: ({ status }) => status < 400 })
  loginFailed(): never {
    throw new UnauthorizedException();
  }

  @Get('successes')
  @RateLimit(2, 3600, { refundIf: ({ error }) => error !== undefined })
  successes(): never {
    throw new BadRequestException();
  }

  @Get('tokens')
  @RateLimit(100, 3600, {
    cost: 50,
    maxDebt: 500,
    settle: ({ result }) => (result as { tokens: number }).tokens,
  })
  tokens(): Promise<{ tokens: number }> {
    return Promise.resolve({ tokens });
  }

  @Get('group')
  @RateLimit('10/minute; 100/hour', {
    cost: 4,
    settle: (_outcome, context) => Promise.resolve(Number(requestOf(context).headers['x-tokens'])),
  })
  group(): string {
    return 'a group';
  }

  @Get('user')
  @RateLimit(5, 3600, { name: 'all' })
  @RateLimit(5, 3600, { name: 'own', by: user(), refundIf: () => true })
  user(): string {
    return 'of a user';
  }

  @Get('outcome')
  @RateLimit(5, 3600, {
    refundIf: (outcome) => {
      heard.push(outcome);
      return false;
    },
  })
  outcome(): { answer: number } {
    return { answer: 42 };
  }

  @Get('gone')
  @RateLimit(5, 3600, {
    refundIf: (outcome) => {
      heard.push(outcome);
      return false;
    },
  })
  gone(): never {
    throw Object.assign(new Error('gone'), { statusCode: 410, status: 410, expose: true });
  }

  @Get('slow')
  @RateLimit(2, 3600, { refundIf: () => true })
  async slow(@Req() { socket }: { readonly socket: Socket }): Promise<string> {
    const leave = (): number => left++;
    socket.once('close', leave);
    await new Promise<void>((resolve) => waiting.push(resolve));
    socket.off('close', leave);
    return 'late';
  }

  @Get('broken')
  @RateLimit(5, 3600, {
    settle: () => {
      throw new Error('no account');
    },
  })
  broken(): string {
    return 'answered all the same';
  }

  @Get('senseless')
  @RateLimit(5, 3600, { settle: () => 1.5 })
  senseless(): string {
    return 'answered all the same';
  }

  @Sse('events')
  @RateLimit(5, 3600, { refundIf: ({ result }) => (result as { data: string }).data === 'last' })
  events(): Observable<{ data: string }> {
    return from([{ data: 'first' }, { data: 'last' }]);
  }
}

let tokens = 0;

/** Refuses behind our guard. */
@Injectable()
class ClosedGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (requestOf(context).headers['x-refuse'] !== undefined) throw new UnauthorizedException();
    return true;
  }
}

const start = useApps();
const startSettling = (options: RateLimitModuleOptions = {}, platform?: Platform, providers: Provider[] = []) =>
  start({
    ...(platform === undefined ? {} : { platform }),
    imports: [RateLimitModule.forRoot({ storage: stillStorage(), ...options })],
    controllers: [SettlingController],
    providers: [
      { provide: APP_GUARD, useClass: SignInGuard },
      { provide: APP_GUARD, useClass: ClosedGuard },
      ...providers,
    ],
  });
const POST = { method: 'POST' };
const CLIENT = '203.0.113.1';

beforeEach(() => {
  heard.length = 0;
  waiting = [];
  left = 0;
});

describe.each(LANES)('Settling on $platform with $storage', ({ platform, storage }) => {
  const startLane = () => startSettling({ storage: makeStorage(storage) }, platform);

  it('counts only failures', async () => {
    const app = await startLane();
    for (let i = 0; i < 6; i++) expect((await app.get('/settle/login', undefined, POST)).status).toBe(200);
    const answers: number[] = [];
    for (let i = 0; i < 4; i++) answers.push((await app.get('/settle/login-failed', undefined, POST)).status);
    expect(answers).toEqual([401, 401, 429, 429]);
  });

  it('counts only successes', async () => {
    const app = await startLane();
    for (let i = 0; i < 6; i++) expect((await app.get('/settle/successes')).status).toBe(400);
  });

  it('gives back what was not used, and owes what was used beyond the estimate', async () => {
    const app = await startLane();
    tokens = 10;
    await app.get('/settle/tokens');
    tokens = 200;
    expect(remaining(await app.get('/settle/tokens'))).toBe(40);
    // 10 + 200 of 100: the bucket owes 110.
    const refused = await app.get('/settle/tokens');
    expect(refused.status).toBe(429);
    // Until there are 50 tokens: 160 of 36 s each.
    expect(Math.abs(Number(refused.headers.get('Retry-After')) - 160 * 36)).toBeLessThan(30);
  });

  it('does not let parallel requests slip past', async () => {
    const app = await startLane();
    const statuses: number[] = [];
    const asked = Array.from({ length: 5 }, async () => statuses.push((await app.get('/settle/slow')).status));
    while (waiting.length < 2 || statuses.length < 3) await turn();
    expect(statuses).toEqual([429, 429, 429]);
    for (const goOn of waiting) goOn();
    await Promise.all(asked);
    expect(statuses.slice(3)).toEqual([200, 200]);
    expect((await finish(app.get('/settle/slow'))).status).toBe(200);
  });

  it('leaves the charge of a client that is gone until the handler ends, and then goes by its outcome', async () => {
    const kept = makeStorage(storage);
    const refunds = jest.spyOn(kept, 'refund');
    const app = await startSettling({ storage: kept }, platform);
    const path = '/settle/slow';
    // Not by fetch, which opens a connection for the next request when one is given up, and closing waits for that.
    const leaver = request(app.url + path, { headers: { 'X-Forwarded-For': CLIENT }, agent: false }).end();
    while (waiting.length < 1) await turn();
    leaver.destroy();
    await expect(once(leaver, 'response')).rejects.toThrow('socket hang up');
    while (left < 1) await turn();

    const other = app.get(path, CLIENT);
    while (waiting.length < 2) await turn();
    expect((await app.get(path, CLIENT)).status).toBe(429);
    expect(refunds).not.toHaveBeenCalled();
    waiting[0]!();
    // Nobody is answered when that is done.
    while (refunds.mock.results.length < 1) await turn();
    await refunds.mock.results[0]!.value;
    const next = await finish(app.get(path, CLIENT));
    expect([next.status, remaining(next)]).toEqual([200, 0]);
    waiting[1]!();
    expect((await other).status).toBe(200);
    expect(await admitted({ ...app, get: () => finish(app.get(path, CLIENT)) }, path, 3)).toBe(3);
  });
});

describe('Settling', () => {
  it('corrects every limit of a group', async () => {
    const app = await startSettling();
    const withTokens = (count: string) => app.get('/settle/group', undefined, { headers: { 'x-tokens': count } });
    expect(remaining(await withTokens('1'), 'default.minute')).toBe(6);
    const second = await withTokens('9');
    expect([remaining(second, 'default.minute'), remaining(second, 'default.hour')]).toEqual([5, 95]);
    // 1 + 9 of 10 are taken; without maxDebt no more than empty.
    const third = await withTokens('1');
    expect([third.status, remaining(third, 'default.minute')]).toEqual([429, 0]);
  });

  it('owes no more than maxDebt', async () => {
    const app = await startSettling();
    tokens = 1_000_000;
    await app.get('/settle/tokens');
    const refused = await app.get('/settle/tokens');
    // 500 of debt and 50 to be admitted: 550 tokens of 36 s.
    expect(refused.headers.get('Retry-After')).toBe(String(550 * 36));
  });

  it('gives back less by what has refilled since', async () => {
    const clock = new ManualClock();
    const app = await startSettling({ storage: new MemoryStorage({ clock }) });
    const answer = app.get('/settle/slow');
    while (waiting.length < 1) await turn();
    clock.advanceMs(1800_000);
    waiting[0]!();
    await answer;
    const next = app.get('/settle/slow');
    while (waiting.length < 2) await turn();
    waiting[1]!();
    expect(remaining(await next)).toBe(1);
  });

  it('hears of limits of both phases, each by its own rule', async () => {
    const app = await startSettling();
    for (let i = 0; i < 3; i++) await app.get('/settle/user', undefined, as('anna'));
    const response = await app.get('/settle/user', undefined, as('anna'));
    expect([remaining(response, 'all'), remaining(response, 'own')]).toEqual([1, 4]);
  });

  it('is told the status and what the handler gave', async () => {
    const app = await startSettling();
    await app.get('/settle/outcome');
    expect(heard).toEqual([{ status: 200, result: { answer: 42 }, error: undefined }]);
  });

  it('is told the status of an error that is none of Nest, as the client is', async () => {
    const app = await startSettling();
    expect((await app.get('/settle/gone')).status).toBe(410);
    expect(heard).toMatchObject([{ status: 410, result: undefined }]);
  });

  it('is told the status where a guard behind ours refused', async () => {
    const app = await startSettling();
    const refuse = { headers: { 'x-refuse': 'yes' } };
    await app.get('/settle/outcome', undefined, refuse);
    while (heard.length === 0) await turn();
    expect(heard).toEqual([{ status: 401, result: undefined, error: undefined }]);
    for (let i = 0; i < 2; i++) {
      await app.get('/settle/login', undefined, { ...POST, ...refuse });
    }
    expect((await app.get('/settle/login', undefined, POST)).status).toBe(429);
  });

  it.each(['/settle/broken', '/settle/senseless'])(
    'leaves the charge and the answer where a rule fails (%s)',
    async (path) => {
      const app = await startSettling();
      expect((await app.get(path)).status).toBe(200);
      expect(remaining(await app.get(path))).toBe(3);
    },
  );

  it('hears the last event of a stream', async () => {
    const app = await startSettling();
    await (await app.get('/settle/events')).text();
    expect(remaining(await app.get('/settle/events'))).toBe(4);
  });
});

async function finish(answer: Promise<Response>): Promise<Response> {
  const before = waiting.length;
  while (waiting.length === before) await turn();
  waiting.at(-1)!();
  return answer;
}

const AT_LIST = '@RateLimit on ReportsController.list';
const ROWS: readonly MistakeRow[] = [
  [
    'a refundIf that is no function',
    () => onMethod([RateLimit(1, 1, { refundIf: true as never })]),
    AT_LIST,
    'refundIf is true',
    'refundIf: (outcome)',
  ],
  [
    'settling where no interceptor is mounted',
    () => onMethod([RateLimit(1, 1, { refundIf: () => true })], { headers: { writtenBy: 'guard' } }),
    AT_LIST,
    'refundIf and settle hear of the outcome from the RateLimitInterceptor',
    "remove headers.writtenBy: 'guard'",
  ],
  [
    'a debt that cannot be counted',
    () => onMethod([RateLimit(1, 1, { maxDebt: 2 ** 52 })]),
    `Policy "default" (${AT_LIST})`,
    'maxDebt is 4503599627370496',
    'smaller',
  ],
];

describe('An application with rules that cannot mean anything', () => {
  it.each(ROWS)('refuses %s', expectMistake);
});
