import { type CanActivate, Controller, type ExecutionContext, Get, Module, Post, VersioningType } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import {
  everyone,
  header,
  ip,
  RateLimit,
  RateLimiter,
  RateLimitModule,
  type RateLimitModuleOptions,
  SkipRateLimit,
  user,
} from 'nestjs-token-bucket';
import { PLATFORMS } from './support/app.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { KeptLog } from './support/logs.js';
import { as, SignInGuard } from './support/sign-in.js';

@Controller('reports')
class ReportsController {
  @Get() @RateLimit(1, 3600) list(): string {
    return 'list';
  }

  @Get('mine') @RateLimit(1, 3600, { name: 'mine', by: user() }) mine(): string {
    return 'mine';
  }
}

const signIn: CanActivate = new SignInGuard();
const isFree = (context: ExecutionContext): boolean => context.getArgs().length === 0;

describe.each(LANES)('The log of denials on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();
  const startReports = async (options: RateLimitModuleOptions = {}) => {
    const log = new KeptLog();
    const running = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage), instances: 1, ...options })],
      controllers: [ReportsController],
      configure: (app) => app.useGlobalGuards(signIn).useLogger(log),
    });
    return { ...running, denials: () => log.of('RateLimit').filter((line) => line.includes('Denied')) };
  };

  const FIRST = [
    'warn [RateLimit] Denied: ip:203.0.113.1 at ReportsController.list by "default" (1 per 3600 s), retry after 3600 s.',
    'warn [RateLimit] Denied: user#ada at ReportsController.mine by "mine" (1 per 3600 s), retry after 3600 s.',
  ];
  const SUMMARY =
    'warn [RateLimit] Denied before the application ended: 6 requests of 2 clients. ' +
    'Clients: ip:203.0.113.1 4, user#ada 2. Routes: ReportsController.list 4, ReportsController.mine 2.';

  it('tells of each client when it begins, and the rest when the application is closed', async () => {
    const { get, close, denials } = await startReports();
    for (let i = 0; i < 5; i++) await get('/reports');
    for (let i = 0; i < 3; i++) await get('/reports/mine', '203.0.113.1', as('ada'));
    // Redis goes on while the test runs.
    const lines = () =>
      denials().map((line) => line.replace(/#[0-9a-f]{12}/g, '#ada').replace(/after 3[56]\d\d s/, 'after 3600 s'));
    expect(lines()).toEqual(FIRST);
    await close();
    expect(lines()).toEqual([...FIRST, SUMMARY]);
  });

  it('is silent where nobody is denied, and where it was switched off', async () => {
    const { get, close, denials } = await startReports();
    await get('/reports');
    await close();
    expect(denials()).toEqual([]);
    const silent = await startReports({ logDenials: false });
    for (let i = 0; i < 5; i++) await silent.get('/reports');
    await silent.close();
    expect(silent.denials()).toEqual([]);
  });

  it('stands beside counts of the same', async () => {
    const { app, get } = await startReports({ policies: { jobs: { capacity: 1, perSeconds: 60, usedInCode: true } } });
    const limiter = app.get(RateLimiter);
    const zero = { allowed: 0, denied: 0, withoutStorage: 0, failed: 0 };
    const rows = () => limiter.counts.map(({ policy, place, ...counts }) => [policy, place.split('/').at(-1), counts]);
    expect(rows()).toEqual([
      ['jobs', '', zero],
      ['default', 'list', zero],
      ['mine', 'mine', zero],
    ]);
    for (let i = 0; i < 5; i++) await get('/reports');
    for (let i = 0; i < 3; i++) await get('/reports/mine', '203.0.113.1', as('ada'));
    await limiter.consume({ policy: 'jobs', subject: 'user:1' });
    expect(rows()).toEqual([
      ['jobs', '', { ...zero, allowed: 1 }],
      ['default', 'list', { ...zero, allowed: 1, denied: 4 }],
      ['mine', 'mine', { ...zero, allowed: 1, denied: 2 }],
    ]);
  });
});

@Controller({ path: 'accounts', version: '2' })
class AccountsController {
  @Get()
  @RateLimit(10, 1, { name: 'burst', refillEverySeconds: 1, cost: 2 })
  @RateLimit(1000, 3600, { name: 'hourly', by: user() })
  list(): void {}

  @Get(['one', 'uno']) @RateLimit('exports', { cost: () => 3 }) one(): void {}

  @Post()
  @RateLimit({
    tiers: { free: { capacity: 5, perSeconds: 60 }, staff: 'unlimited', paid: '50/minute; 500/hour' },
    tier: () => 'free',
  })
  create(): void {}

  @Get('made') @RateLimit({ limits: () => ({ capacity: 1, perSeconds: 1 }), by: header('X-Api-Key') }) made(): void {}

  @Post('login')
  @RateLimit(3, 60, { refundIf: () => true })
  @RateLimit(1000, 60, { name: 'tokens', by: user(), settle: () => 1, skipIf: isFree })
  login(): void {}

  @Get('image') @RateLimit(10, 1, { onExceeded: 'wait', maxWaitMs: 1500 }) image(): void {}

  @Get('health') @SkipRateLimit() health(): void {}

  notARoute(): void {}
}

@Controller()
class HomeController {
  @Get() home(): void {}
}

@Module({ controllers: [AccountsController] })
class AccountsModule {}

describe.each(PLATFORMS)('The table of policies on %s', (platform) => {
  const start = useApps();
  const OPTIONS: RateLimitModuleOptions = {
    logPolicies: true,
    default: { capacity: 100, perSeconds: 60, skipIf: isFree },
    policies: { exports: { capacity: 5, perSeconds: 60, algorithm: 'leaky-bucket', by: everyone() } },
  };

  const tableOf = async (options: RateLimitModuleOptions, type?: VersioningType.URI | VersioningType.MEDIA_TYPE) => {
    const log = new KeptLog();
    await start({
      platform,
      imports: [
        RateLimitModule.forRoot(options),
        AccountsModule,
        RouterModule.register([{ path: 'billing', module: AccountsModule }]),
      ],
      controllers: [HomeController],
      configure(app) {
        app.useLogger(log);
        app.setGlobalPrefix('api', { exclude: ['/'] });
        if (type === VersioningType.URI) app.enableVersioning({ type });
        if (type === VersioningType.MEDIA_TYPE) app.enableVersioning({ type, key: 'v=' });
      },
    });
    const table = log.of('RateLimit').filter((line) => line.includes('Limits of all routes'));
    return table.flatMap((line) => line.split('\n').map((row) => row.split(/ {2,}/)));
  };

  const DEFAULT = ['default', '100 per 60 s', 'token-bucket', 'ip()', 'cost 1', 'before authentication, unless skipIf'];
  const EXPORTS = [
    'exports',
    '5 per 60 s',
    'leaky-bucket',
    'everyone()',
    'cost by function cost',
    'before authentication',
  ];

  it('lists routes in their order with all that limits them', async () => {
    expect(await tableOf(OPTIONS, VersioningType.URI)).toEqual([
      ['log [RateLimit] Limits of all routes:'],
      ['GET', '/', 'HomeController.home', ...DEFAULT],
      ['GET', '/api/v2/billing/accounts', 'AccountsController.list', ...DEFAULT],
      ['', 'burst', '10 per 1 s, every 1 s', 'token-bucket', 'ip()', 'cost 2', 'before authentication'],
      ['', 'hourly', '1000 per 3600 s', 'token-bucket', 'user()', 'cost 1', 'after authentication'],
      ['GET', '/api/v2/billing/accounts/one', 'AccountsController.one', ...DEFAULT],
      ['', ...EXPORTS],
      ['GET', '/api/v2/billing/accounts/uno', 'AccountsController.one', ...DEFAULT],
      ['', ...EXPORTS],
      ...[
        ['POST', '/api/v2/billing/accounts', 'AccountsController.create', 'default.free', '5 per 60 s'],
        ['', 'default.paid.minute', '50 per 60 s'],
        ['', 'default.paid.hour', '500 per 3600 s'],
      ].map((row) => [...row, 'token-bucket', 'ip()', 'cost 1', 'before authentication, one tier of several']),
      ['', 'default.staff', 'unlimited', 'one tier of several'],
      [
        ...['GET', '/api/v2/billing/accounts/made', 'AccountsController.made', 'default', 'by a function'],
        ...['header("X-Api-Key")', 'cost 1', 'before authentication'],
      ],
      [
        ...['POST', '/api/v2/billing/accounts/login', 'AccountsController.login', 'default', '3 per 60 s'],
        ...['token-bucket', 'ip()', 'cost 1', 'before authentication, settled afterwards'],
      ],
      [
        ...['', 'tokens', '1000 per 60 s', 'token-bucket', 'user()', 'cost 1'],
        'after authentication, unless skipIf, settled afterwards',
      ],
      [
        ...['GET', '/api/v2/billing/accounts/image', 'AccountsController.image', 'default', '10 per 1 s'],
        ...['token-bucket', 'ip()', 'cost 1', 'before authentication, waits up to 1.5 s'],
      ],
      ['GET', '/api/v2/billing/accounts/health', 'AccountsController.health', 'unlimited'],
    ]);
  });

  it('puts a version beside the path where it is no part of it', async () => {
    const paths = (await tableOf(OPTIONS, VersioningType.MEDIA_TYPE)).map(([, path]) => path);
    expect(paths).toContain('/api/billing/accounts/health (version 2)');
    const unversioned = (await tableOf(OPTIONS)).map(([, path]) => path);
    expect(unversioned).toContain('/api/billing/accounts/health');
  });

  it('is not there unless it is asked for', async () => {
    expect(await tableOf({ ...OPTIONS, logPolicies: undefined })).toEqual([]);
  });

  it('names options of subjects', async () => {
    const [, row] = await tableOf({ ...OPTIONS, by: ip({ ipv6Prefix: 56 }) });
    expect(row).toContain('ip({"ipv6Prefix":56})');
  });
});
