import {
  type CanActivate,
  Controller,
  Get,
  type INestApplication,
  Injectable,
  Module,
  type NestInterceptor,
  type Type,
  type ValueProvider,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { Test, type TestingModule, type TestingModuleBuilder } from '@nestjs/testing';
import {
  Decision,
  RateLimit,
  RateLimitConfigurationError,
  RateLimitDecision,
  RateLimiter,
  RateLimitGuard,
  RateLimitInterceptor,
  RateLimitModule,
  type RateLimitModuleOptions,
  user,
} from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import { ManualClock, withManualClock, withoutRateLimits } from 'nestjs-token-bucket/testing';
import request from 'supertest';
import { blockWith } from './support/markdown.js';
import { runBlock, runWith } from './support/run-block.js';

const running: INestApplication[] = [];
afterEach(async () => {
  for (const app of running.splice(0)) await app.close();
});

async function start(builder: TestingModuleBuilder): Promise<INestApplication> {
  const app = (await builder.compile()).createNestApplication({ logger: false });
  running.push(app);
  return app.init();
}

const get = (app: INestApplication, path: string) => request(app.getHttpServer()).get(path);

async function statuses(count: number, app: INestApplication, path: string): Promise<readonly number[]> {
  const answers: number[] = [];
  for (let i = 0; i < count; i++) answers.push((await get(app, path)).status);
  return answers;
}

@Controller()
class LimitedController {
  @Get('before')
  @RateLimit(1, 3600)
  before(@RateLimitDecision() decision: Decision | undefined): object {
    return { left: decision?.remaining ?? 'nobody counts' };
  }

  @Get('after')
  @RateLimit(1, 3600, { by: user() })
  after(@RateLimitDecision() decision: Decision | undefined): object {
    return { left: decision?.remaining ?? 'nobody counts' };
  }
}

@Controller()
class HomeController {
  @Get() home(): string {
    return 'home';
  }
}

@Injectable()
class Jobs {
  constructor(private readonly limiter: RateLimiter) {}

  async start(): Promise<boolean> {
    return (await this.limiter.consume({ policy: 'jobs', subject: 'user:42' })).allowed;
  }
}

const ADMIT: CanActivate = { canActivate: () => true };
const PASS_ON: NestInterceptor = { intercept: (_context, next) => next.handle() };

const POLICIES = { jobs: { capacity: 1, perSeconds: 3600, usedInCode: true } };

/** An application with limits of every kind, as the application under somebody's test may be. */
function appModule(limits: ReturnType<typeof RateLimitModule.forRoot>): Type {
  @Module({ imports: [limits], controllers: [LimitedController], providers: [Jobs] })
  class AppModule {}
  return AppModule;
}

const forRoot = (options: RateLimitModuleOptions = {}) => RateLimitModule.forRoot({ policies: POLICIES, ...options });

async function whatIsAdmitted(app: INestApplication): Promise<object> {
  const jobs = app.get(Jobs);
  return {
    before: await statuses(2, app, '/before'),
    after: await statuses(2, app, '/after'),
    inCode: [await jobs.start(), await jobs.start()],
  };
}

const EVERYTHING = { before: [200, 200], after: [200, 200], inCode: [true, true] };
const ONCE_EACH = { before: [200, 429], after: [200, 429], inCode: [true, false] };

/** Every way to give options. */
const WAYS: readonly [way: string, (options: RateLimitModuleOptions) => ReturnType<typeof forRoot>][] = [
  ['forRoot', (options) => forRoot(options)],
  [
    'forRootAsync',
    (options) => RateLimitModule.forRootAsync({ useFactory: () => ({ policies: POLICIES, ...options }) }),
  ],
  [
    'forRootAsync with a class',
    (options) =>
      RateLimitModule.forRootAsync({
        useClass: class {
          createRateLimitOptions(): RateLimitModuleOptions {
            return { policies: POLICIES, ...options };
          }
        },
      }),
  ],
];

class NeverOpened extends RedisStorage {
  override open(): never {
    throw new Error('the storage of the options was opened');
  }
}

describe('Limits in the tests of others, as docs/testing.md says', () => {
  it('hold, where nothing is replaced', async () => {
    const app = await start(Test.createTestingModule({ imports: [appModule(forRoot())] }));
    expect(await whatIsAdmitted(app)).toEqual(ONCE_EACH);
  });

  it.each(WAYS)('are all lifted by withoutRateLimits: %s', async (_way, limits) => {
    const imports = [appModule(limits({ storage: new NeverOpened({ url: 'redis://127.0.0.1:1' }) }))];
    const app = await start(withoutRateLimits(Test.createTestingModule({ imports })));
    expect(await whatIsAdmitted(app)).toEqual(EVERYTHING);
    const { headers, body } = await get(app, '/before');
    expect(headers).toMatchObject({ 'x-ratelimit-limit': '1', 'x-ratelimit-remaining': '1' });
    expect(body).toEqual({ left: 1 });
  });

  it.each(WAYS)('go by the clock of withManualClock: %s', async (_way, limits) => {
    const clock = new ManualClock();
    const imports = [appModule(limits({ storage: new NeverOpened({ url: 'redis://127.0.0.1:1' }) }))];
    const app = await start(withManualClock(Test.createTestingModule({ imports }), clock));
    expect(await whatIsAdmitted(app)).toEqual(ONCE_EACH);
    clock.advanceMs(3_600_000);
    expect(await whatIsAdmitted(app)).toEqual(ONCE_EACH);
  });

  it('are both also where guard and interceptor are mounted by hand', async () => {
    const builder = () =>
      Test.createTestingModule({
        imports: [appModule(forRoot({ global: false }))],
        providers: [
          { provide: APP_GUARD, useExisting: RateLimitGuard },
          { provide: APP_INTERCEPTOR, useExisting: RateLimitInterceptor },
        ],
      });
    expect(await whatIsAdmitted(await start(withoutRateLimits(builder())))).toEqual(EVERYTHING);
    const clock = new ManualClock();
    const app = await start(withManualClock(builder(), clock));
    expect(await whatIsAdmitted(app)).toEqual(ONCE_EACH);
    clock.advanceMs(3_600_000);
    expect(await whatIsAdmitted(app)).toEqual(ONCE_EACH);
  });

  it("are the application's own again in the next testing module", async () => {
    const AppModule = appModule(forRoot());
    await start(withoutRateLimits(Test.createTestingModule({ imports: [AppModule] })));
    const app = await start(Test.createTestingModule({ imports: [AppModule] }));
    expect(await whatIsAdmitted(app)).toEqual(ONCE_EACH);
  });

  it.each([
    ['withManualClock(Test', ONCE_EACH],
    ['withoutRateLimits(Test', EVERYTHING],
  ])('are told about by a block with %s…', async (text, expected) => {
    const { exports } = await runWith<{ testing: TestingModule }>(blockWith(text, 'docs/testing.md'), {
      names: ['testing'],
      given: { AppModule: appModule(forRoot()) },
    });
    const app = exports.testing.createNestApplication({ logger: false });
    running.push(await app.init());
    expect(await whatIsAdmitted(app)).toEqual(expected);
  });

  it('need a builder, and a clock', async () => {
    const compiled = await Test.createTestingModule({}).compile();
    const notABuilder =
      'it was given something else than a builder of a testing module. ' +
      'Remedy: pass what Test.createTestingModule(…) gives, before compile() is called.';
    for (const no of [compiled, undefined, null]) {
      expect(() => withoutRateLimits(no as never)).toThrow(
        new RateLimitConfigurationError(`withoutRateLimits: ${notABuilder}`),
      );
      expect(() => withManualClock(no as never, new ManualClock())).toThrow(
        new RateLimitConfigurationError(`withManualClock: ${notABuilder}`),
      );
    }
    expect(() => withManualClock(Test.createTestingModule({}), undefined as never)).toThrow(
      new RateLimitConfigurationError(
        'withManualClock: the clock is undefined. Remedy: pass one that the test keeps in its hand: const clock = new ManualClock().',
      ),
    );
  });

  it('are not there where the module is left out, and the RateLimiter is made by hand', async () => {
    const block = blockWith('new NoLimits()', 'docs/testing.md');
    const { provider } = await runBlock<{ provider: ValueProvider }>(block);
    const providers = [Jobs, provider];
    const app = await start(Test.createTestingModule({ controllers: [LimitedController], providers }));
    expect(await whatIsAdmitted(app)).toEqual(EVERYTHING);
    expect((await get(app, '/before')).body).toEqual({ left: 'nobody counts' });
  });

  it('are lifted by another guard before authentication, by another interceptor after it, and not in code', async () => {
    const admitting = () =>
      Test.createTestingModule({ imports: [appModule(forRoot())] })
        .overrideProvider(RateLimitGuard)
        .useValue(ADMIT);
    const guardOnly = await start(admitting());
    expect(await whatIsAdmitted(guardOnly)).toEqual({ ...ONCE_EACH, before: [200, 200] });

    const both = await start(admitting().overrideProvider(RateLimitInterceptor).useValue(PASS_ON));
    expect(await whatIsAdmitted(both)).toEqual({ ...EVERYTHING, inCode: [true, false] });
  });

  it('keep the application from starting where another guard is mounted by hand in the place of ours', async () => {
    const providers = [{ provide: APP_GUARD, useExisting: RateLimitGuard }];
    const options = { global: false, headers: { writtenBy: 'guard' } } as const;
    const testing = Test.createTestingModule({
      imports: [RateLimitModule.forRoot({ ...options, default: { capacity: 1, perSeconds: 60 } })],
      controllers: [HomeController],
      providers,
    });
    await expect(start(testing.overrideProvider(RateLimitGuard).useValue(ADMIT))).rejects.toThrow(
      'no RateLimitGuard is mounted',
    );
  });

  it('are not lifted by a larger default', async () => {
    const large = { default: { capacity: 1_000_000, perSeconds: 1 } };
    const app = await start(Test.createTestingModule({ imports: [appModule(forRoot(large))] }));
    expect(await whatIsAdmitted(app)).toEqual(ONCE_EACH);
  });

  it('are not lifted by overrideModule and overrideGuard', async () => {
    @Module({})
    class Nothing {}
    const app = await start(
      Test.createTestingModule({ imports: [appModule(forRoot())] })
        .overrideModule(RateLimitModule)
        .useModule(Nothing)
        .overrideGuard(RateLimitGuard)
        .useValue(ADMIT),
    );
    expect(await whatIsAdmitted(app)).toEqual(ONCE_EACH);
  });
});
