import { Controller, Get, type INestApplication, Injectable, Module, Scope } from '@nestjs/common';
import {
  everyone,
  header,
  MemoryStorage,
  RateLimit,
  RateLimitModule,
  type RateLimitModuleOptions,
} from 'nestjs-token-bucket';
import { stillStorage } from './support/admission.js';
import { PLATFORMS, startError } from './support/app.js';
import { useApps } from './support/lanes.js';
import { KeptLog } from './support/logs.js';
import { expectMistake, type MistakeRow } from './support/mistakes.js';

@Controller('reports')
class ReportsController {
  @Get() @RateLimit(2, 60) list(): string {
    return 'list';
  }

  @Get('nobody') @RateLimit(2, 60, { by: () => undefined }) nobody(): string {
    return 'never reached';
  }

  @Get('keyed') @RateLimit(2, 60, { by: header('x-api-key') }) keyed(): string {
    return 'keyed';
  }
}

@Controller('bare')
class BareController {
  @Get() bare(): string {
    return 'bare';
  }
}

@Module({ imports: [RateLimitModule], controllers: [ReportsController] })
class WithoutOptionsModule {}

@Module({ imports: [RateLimitModule.forRoot()], controllers: [ReportsController] })
class WithOptionsModule {}

@Injectable({ scope: Scope.REQUEST })
class TenantOptions {
  createRateLimitOptions(): RateLimitModuleOptions {
    return {};
  }
}

@Module({ providers: [TenantOptions], exports: [TenantOptions] })
class TenantModule {}

const controllers = [ReportsController];
const ONE = 'keep one RateLimitModule.forRoot(…), in the root module; it is global, so other modules need no import';

describe('An application that imports the module in a way that cannot work', () => {
  const imports: MistakeRow[] = [
    [
      'two of it in one module',
      () => ({ imports: [RateLimitModule.forRoot(), RateLimitModule.forRoot()], controllers }),
      'RateLimitModule.forRoot',
      'the module is imported 2 times, each with options of its own',
      ONE,
    ],
    [
      'two of it in two modules',
      () => ({ imports: [RateLimitModule.forRoot(), WithOptionsModule] }),
      'RateLimitModule.forRoot',
      'the module is imported 2 times',
      ONE,
    ],
    [
      'one with options now and one with options later',
      () => ({
        imports: [RateLimitModule.forRootAsync({ useFactory: () => ({}) }), RateLimitModule.forRoot()],
        controllers,
      }),
      'RateLimitModule.forRootAsync',
      'the module is imported 2 times',
      ONE,
    ],
    [
      'it without options',
      () => ({ imports: [RateLimitModule], controllers }),
      'imports: [RateLimitModule]',
      'the module was imported without its options',
      'import RateLimitModule.forRoot(…) or forRootAsync(…) once, in the root module',
    ],
    [
      'it without options in a second module',
      () => ({ imports: [RateLimitModule.forRoot(), WithoutOptionsModule] }),
      'imports: [RateLimitModule]',
      'the module was imported without its options',
      'it is global, so other modules need no import',
    ],
    [
      'it with options that depend on a request',
      () => ({
        imports: [RateLimitModule.forRootAsync({ imports: [TenantModule], useExisting: TenantOptions })],
        controllers,
      }),
      'RateLimitModule.forRootAsync',
      'its options depend on a request-scoped provider',
      'inject only providers of the default scope',
    ],
  ];
  it.each(imports)('refuses %s', expectMistake);

  it('does not open the storage when it refuses to start', async () => {
    const opened: string[] = [];
    class WatchedStorage extends MemoryStorage {
      override open(): void {
        opened.push('opened');
      }
    }
    const storage = new WatchedStorage();
    const mistaken = {
      imports: [RateLimitModule.forRoot({ storage, policies: { idle: { capacity: 1, perSeconds: 1 } } })],
    };
    expect((await startError(mistaken)).message).toContain('no route is limited by this policy');
    expect(opened).toEqual([]);
  });
});

describe('An application that trusts every proxy', () => {
  const start = useApps();

  it.each<MistakeRow>(
    PLATFORMS.map((platform) => [
      platform,
      () => ({ platform, trust: true, imports: [RateLimitModule.forRoot()], controllers }),
      '@RateLimit on ReportsController.list',
      "ip() goes by the client's address, but the application trusts every proxy",
      'trust only your own proxies',
    ]),
  )('refuses to start on %s with a limit by address', expectMistake);

  it('starts where no limit is by address', async () => {
    const app = await start({
      trust: true,
      imports: [RateLimitModule.forRoot({ by: everyone(), default: { capacity: 2, perSeconds: 60 } })],
      controllers: [BareController],
    });
    expect((await app.get('/bare')).status).toBe(200);
  });
});

describe('A request that shows nobody to limit', () => {
  const start = useApps();
  const startLogged = async () => {
    const log = new KeptLog();
    const configure = (app: INestApplication): void => app.useLogger(log);
    const storage = stillStorage();
    const app = await start({ imports: [RateLimitModule.forRoot({ storage })], controllers, configure });
    return { ...app, log, storage };
  };

  it('is answered 500, and the log names the limit, its subject and a remedy', async () => {
    const { get, log, storage } = await startLogged();
    const response = await get('/reports/nobody');
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('RateLimit');
    expect(log.of('ExceptionsHandler')).toEqual([
      'error [ExceptionsHandler] @RateLimit on ReportsController.nobody: function by found nobody to limit in this request, ' +
        'and strangers never share a bucket. Remedy: make it name somebody for every request, or put a fallback behind it: ' +
        'firstOf(…, ip()).',
    ]);
    expect(storage.size).toBe(0);
  });

  it('is answered 400 where a header is missing, naming the header', async () => {
    const { get, log, storage } = await startLogged();
    const response = await get('/reports/keyed');
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      message: 'Header "x-api-key" is missing; requests are limited by it.',
    });
    expect(log.of('ExceptionsHandler')).toEqual([]);
    expect(storage.size).toBe(0);
  });
});
