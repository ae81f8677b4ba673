import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CanActivate, Controller, type ExecutionContext, Get, Injectable, UseGuards } from '@nestjs/common';
import { everyone, RateLimit, RateLimitModule, type RateLimitModuleOptions, user } from 'nestjs-token-bucket';
import { stillStorage } from './support/admission.js';
import { PLATFORMS, type Platform } from './support/app.js';
import { useApps } from './support/lanes.js';
import { expectMistake, type MistakeRow, onMethod } from './support/mistakes.js';

interface Asked {
  readonly headers: Readonly<Record<string, string | undefined>>;
  user?: unknown;
}

const requestOf = (context: ExecutionContext) => context.switchToHttp().getRequest<Asked>();

/** Lets strangers pass, like authentication that is optional, and knows who brings the right password. */
@Injectable()
class GuessableGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = requestOf(context);
    if (request.headers['x-password'] === 'secret') request.user = { id: 'anna' };
    return true;
  }
}

@Controller('rules')
class RulesController {
  static served = 0;

  @Get('account')
  @UseGuards(GuessableGuard)
  @RateLimit(10, 3600, { name: 'account', by: user() })
  account(): string {
    return 'an account';
  }

  @Get('dear')
  @RateLimit(3, 3600, { name: 'strict' })
  @RateLimit(10, 3600, {
    name: 'line',
    cost: (context) => Number(requestOf(context).headers['x-cost'] ?? '1'),
    onExceeded: 'wait',
    maxWaitMs: 1000,
  })
  dear(): string {
    return 'in line';
  }

  @Get('line')
  @RateLimit(1, 1, { name: 'line', by: everyone(), onExceeded: 'wait', maxWaitMs: 6000 })
  line(): string {
    RulesController.served++;
    return 'served';
  }

  @Get('hour')
  @RateLimit(1, 3600, { name: 'hour', by: everyone(), onExceeded: 'wait', maxWaitMs: 3_600_000 })
  hour(): string {
    return 'in an hour';
  }
}

const start = useApps();
const startRules = (platform: Platform, options: RateLimitModuleOptions = {}) =>
  start({
    platform,
    imports: [RateLimitModule.forRoot({ storage: stillStorage(), ...options })],
    controllers: [RulesController],
  });

describe.each(PLATFORMS)('Rules on %s', (platform) => {
  it('do not give an address back what its guesses at credentials cost', async () => {
    const app = await startRules(platform, { default: { capacity: 20, perSeconds: 3600 } });
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) {
      statuses.push((await app.get('/rules/account', undefined, { headers: { 'x-password': `guess ${i}` } })).status);
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    // The address is used up, whoever knocks now.
    expect((await app.get('/rules/account', undefined, { headers: { 'x-password': 'secret' } })).status).toBe(429);
  });

  it('refuse for good what costs more than a line can ever give', async () => {
    const app = await startRules(platform);
    for (let i = 0; i < 4; i++) {
      const refused = await app.get('/rules/dear', undefined, { headers: { 'x-cost': '11' } });
      expect([refused.status, refused.headers.get('Retry-After')]).toEqual([429, null]);
    }
    expect((await app.get('/rules/dear')).status).toBe(200);
  });

  it('charge what stands beside a line where a function of the line fails', async () => {
    const app = await startRules(platform);
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) {
      statuses.push((await app.get('/rules/dear', undefined, { headers: { 'x-cost': 'much' } })).status);
    }
    expect(statuses).toEqual([500, 500, 500, 429, 429]);
  });

  it('free the places of all requests that were pipelined on a connection when it is closed', async () => {
    RulesController.served = 0;
    const app = await startRules(platform, { storage: undefined });
    const { port } = new URL(app.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('GET /rules/line HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n'.repeat(6));
    while (RulesController.served === 0) await sleep(1);
    socket.destroy();
    expect((await app.get('/rules/line')).status).toBe(200);
    expect(RulesController.served).toBe(2);
  });

  it('send away who waits when the application closes', async () => {
    const app = await startRules(platform);
    expect((await app.get('/rules/hour')).status).toBe(200);
    const waiting = app.get('/rules/hour');
    while ((await app.get('/rules/hour')).status !== 429);
    await Promise.all([app.close(), waiting.then(({ status }) => expect(status).toBe(503))]);
  });
});

const AT_LIST = '@RateLimit on ReportsController.list';
const ROWS: readonly MistakeRow[] = [
  [
    'limits of one id that differ in what they do in an outage',
    () => ({
      ...onMethod([RateLimit(2, 60, { id: 's', onStorageFailure: 'deny' })]),
      imports: [RateLimitModule.forRoot({ default: { capacity: 2, perSeconds: 60, id: 's' } })],
    }),
    AT_LIST,
    'other options',
    'onStorageFailure',
  ],
  [
    'a debt that nothing can make',
    () => onMethod([RateLimit(1, 1, { maxDebt: 10 })]),
    AT_LIST,
    'maxDebt stands without settle',
    'add settle',
  ],
  [
    'tiers that limit nothing',
    () => onMethod([RateLimit({ tiers: { a: 'unlimited', b: 'unlimited' }, tier: () => 'a' })]),
    AT_LIST,
    "every tier is 'unlimited'",
    'limits of a tier',
  ],
  [
    'tiers that would share a bucket',
    () => onMethod([RateLimit({ tiers: { a: '3/second; 9/minute', 'a.second': '5/second' }, tier: () => 'a' })]),
    AT_LIST,
    '"default.a.second"',
    'name of its own',
  ],
  [
    'two limits over one period in a list',
    () =>
      onMethod([
        RateLimit([
          { name: 'a', capacity: 5, perSeconds: 10 },
          { name: 'b', capacity: 500, perSeconds: 10 },
        ]),
      ]),
    AT_LIST,
    'limits over the same 10 s',
    'keep the smaller',
  ],
  [
    'a rule for requests in a policy that only code uses',
    () => onMethod([], { policies: { jobs: { capacity: 1, perSeconds: 1, usedInCode: true, refundIf: () => true } } }),
    'RateLimitModule.forRoot policies.jobs',
    'refundIf has no meaning',
    'remove refundIf',
  ],
];

describe('An application with rules that would do nothing', () => {
  it.each(ROWS)('refuses %s', expectMistake);
});
