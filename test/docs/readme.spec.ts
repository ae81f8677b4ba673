import { Controller, Get, Module, type NestInterceptor, type Type } from '@nestjs/common';
import { RateLimit, type RateLimiter, RateLimitModule } from 'nestjs-token-bucket';
import type { ManualClock } from 'nestjs-token-bucket/testing';
import { as, closeApps, failWith, HomeController, startApp, statusesOfMany } from './support/application.js';
import { blocksOf, blockWith } from './support/markdown.js';
import { blocksNotRun, runBlock, runWith } from './support/run-block.js';

const FILE = 'README.md';
afterEach(closeApps);

const startFirst = async () => {
  const { exports } = await runWith(blocksOf(FILE)[0]!);
  return startApp({ modules: [] }, { root: exports['AppModule'] });
};

describe('The first example of the README', () => {
  it('is a running application with a limit of 30, as it stands there', async () => {
    const first = await (await startFirst()).get('/data');
    expect(first.status).toBe(200);
    expect(first.body).toEqual(['some', 'data']);
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '"default";q=30;w=60',
      ratelimit: '"default";r=29;t=58',
      'x-ratelimit-limit': '30',
      'x-ratelimit-remaining': '29',
    });
    expect(first.headers).not.toHaveProperty('retry-after');
  });

  it('refuses the 31st request with all that the README tells of', async () => {
    const app = await startFirst();
    expect(await app.admitted('/data')).toBe(30);
    const refused = await app.get('/data');
    expect(refused.status).toBe(429);
    expect(refused.headers).toMatchObject({
      'retry-after': '2',
      'cache-control': 'no-store',
      'ratelimit-policy': '"default";q=30;w=60',
      ratelimit: '"default";r=0;t=2',
      'x-ratelimit-limit': '30',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': String(app.clock.unixMicros() / 1_000_000 + 2),
    });
    app.clock.advanceMs(2000);
    expect(await app.admitted('/data')).toBe(1);
  });
});

describe('The second example of the README', () => {
  it.each([
    ['get', '/reports', 'list', '"default";q=30;w=60'],
    ['post', '/reports', 'create', '"default";q=100;w=60, "exports";q=5;w=60'],
    ['get', '/reports/health', 'health', undefined],
    ['get', '/reports/7', 'one', '"default";q=100;w=60, "burst";q=10;w=1, "hourly";q=1000;w=3600'],
  ] as const)('limits %s %s as the comment beside %s() says', async (method, path, _handler, policies) => {
    const { AppModule } = await runBlock<Record<string, Type>>(blockWith("new RedisStorage({ url: '", FILE));
    const { ReportsController } = await runBlock<Record<string, Type>>(blockWith('class ReportsController', FILE));
    const app = await startApp({ modules: [] }, { root: AppModule, controllers: [ReportsController!] });
    expect((await app[method](path)).headers['ratelimit-policy']).toBe(policies);
  });
});

describe('Several limits, tiers, costs', () => {
  const startModels = async () => {
    const { exports } = await runWith(blockWith('class ModelsController', FILE));
    return startApp(
      { modules: [] },
      {
        controllers: [exports['ModelsController']!],
        prepare: (app) => app.useGlobalInterceptors({ intercept: failsOnRequest }),
      },
    );
  };
  const failsOnRequest: NestInterceptor['intercept'] = (context, next) =>
    context.switchToHttp().getRequest().headers['x-fail'] === undefined ? next.handle() : failWith(502);

  it('are three limits in one question', async () => {
    const app = await startModels();
    expect(await app.admitted('/models')).toBe(10);
    expect((await app.get('/models')).headers).toMatchObject({
      'ratelimit-policy': '"default.second";q=10;w=1, "default.minute";q=100;w=60, "default.hour";q=1000;w=3600',
      ratelimit: '"default.second";r=0;t=1',
    });
  });

  it('are limits by tier, with buckets of their own', async () => {
    const app = await startModels();
    const free = as({ id: 1 });
    expect(await app.admitted('/models/7', free)).toBe(60);
    expect((await app.get('/models/7', free)).headers['ratelimit-policy']).toBe(
      '"default.free.minute";q=60;w=60, "default.free.day";q=1000;w=86400',
    );
    expect((await app.get('/models/7', as({ id: 1, plan: 'pro' }))).headers['ratelimit']).toBe(
      '"default.pro";r=999;t=60',
    );
    expect((await app.get('/models/7', as({ id: 1, plan: 'partner' }))).headers).not.toHaveProperty('ratelimit');
  });

  it('are costs that are settled', async () => {
    const app = await startModels();
    const left = async (headers = {}) =>
      Number((await app.post('/models', { ...as({ id: 1 }), ...headers })).headers['x-ratelimit-remaining']);
    expect([await left(), await left()]).toEqual([9500, 10_000 - 1234 - 500]);
    expect(await left({ 'x-fail': '1' })).toBe(10_000 - 2 * 1234 - 500);
    expect(await left()).toBe(10_000 - 2 * 1234 - 500 - 500);
  });

  it('are a line of two seconds, and a refusal for who comes behind it', async () => {
    const app = await startModels();
    const statuses = await statusesOfMany(app, '/models/render', 1 + 20 + 5);
    // One is let through at once, and twenty wait, one every 100 ms.
    expect(statuses.filter((status) => status === 429)).toHaveLength(5);
    expect(statuses).toContain(200);
    expect((await app.get('/models/render')).headers['ratelimit-policy']).toBe('"render";q=10;w=1');
  });
});

describe('The options of the README', () => {
  class ConfigService {
    static values: Readonly<Record<string, string>> = {};
    get = (name: string): string | undefined => ConfigService.values[name];
  }
  @Module({ providers: [ConfigService], exports: [ConfigService] })
  class ConfigModule {}
  const start = async () =>
    startApp(await runWith(blockWith('forRootAsync', FILE), { given: { ConfigModule, ConfigService } }), {
      controllers: [HomeController],
    });

  it('can come from a factory', async () => {
    ConfigService.values = { REDIS_URL: 'redis://redis.example' };
    expect((await (await start()).get('/')).headers['ratelimit-policy']).toBe('"default";q=100;w=60');
  });

  it('are no silent default where a variable is not set', async () => {
    ConfigService.values = {};
    await expect(start()).rejects.toThrow('url is undefined');
  });

  it('can come from a class, of this module or of another one', async () => {
    // Only the class of the block can be a provider of the module that the block takes for granted.
    @Module({})
    class LimitsModule {}
    const { exports, modules } = await runWith(blockWith('useExisting: Limits', FILE), { given: { LimitsModule } });
    Module({ providers: [exports['Limits']!], exports: [exports['Limits']!] })(LimitsModule);
    for (const one of modules) {
      const app = await startApp({ modules: [one] }, { controllers: [HomeController] });
      expect((await app.get('/')).headers['ratelimit-policy']).toBe('"default";q=100;w=60');
    }
    expect(modules).toHaveLength(2);
  });

  it('are for the platform where it is about proxies', async () => {
    @Controller()
    class AddressController {
      @Get() @RateLimit(1, 60) limited(): void {}
    }
    const app = await startApp(
      { modules: [] },
      {
        controllers: [AddressController],
        prepare: async (app) => runWith(blockWith("app.set('trust proxy'", FILE), { given: { app } }),
      },
    );
    const status = async (address: string) => (await app.get('/', { 'x-forwarded-for': address })).status;
    expect([await status('203.0.113.7'), await status('203.0.113.7'), await status('203.0.113.8')]).toEqual([
      200, 429, 200,
    ]);
  });
});

describe('Limits in code', () => {
  it('ask for the bucket of the policy that the example of the README declares', async () => {
    const { Notifications } = await runBlock<Record<string, Type>>(blockWith('class Notifications', FILE));
    const policies = { mails: { capacity: 3, perSeconds: 60, usedInCode: true } };
    @Module({ imports: [RateLimitModule.forRoot({ policies })], providers: [Notifications!] })
    class AppModule {}
    const { app } = await startApp({ modules: [] }, { root: AppModule });
    const notifications = app.get<{ maySend(recipient: string): Promise<boolean> }>(Notifications!);
    const answers: boolean[] = [];
    for (let i = 0; i < 4; i++) answers.push(await notifications.maySend('ada'));
    expect(answers).toEqual([true, true, true, false]);
  });

  it('work without Nest', async () => {
    const { limiter, allowed } = await runBlock<{ readonly limiter: RateLimiter; readonly allowed: boolean }>(
      blockWith('new RateLimiter(', FILE),
      'limiter',
      'allowed',
    );
    expect(allowed).toBe(true);
    expect(await limiter.peek({ policy: 'jobs', subject: 'user:42' })).toMatchObject({ remaining: 4 });
  });
});

describe('Tests of limits', () => {
  it.each([FILE, 'docs/testing.md'])('have a clock in the hand, as in %s', async (file) => {
    const { modules, exports } = await runWith<{ clock: ManualClock }>(
      blockWith('new MemoryStorage({ clock })', file),
      {
        names: ['clock'],
      },
    );
    const app = await startApp({ modules }, { controllers: [HomeController], ownStorage: true });
    expect(await app.admitted('/')).toBe(10);
    exports.clock.advanceMs(6000);
    expect(await app.admitted('/')).toBe(1);
  });
});

it('README.md was run as a whole by the tests above', () => expect(blocksNotRun(FILE)).toEqual([]));
