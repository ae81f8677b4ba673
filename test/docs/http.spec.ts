import { createHmac } from 'node:crypto';
import { Controller, type ExceptionFilter, Get, NotFoundException } from '@nestjs/common';
import { RateLimit, RateLimitModule } from 'nestjs-token-bucket';
import { as, closeApps, HomeController, startApp } from './support/application.js';
import { blockWith, textOf } from './support/markdown.js';
import { blocksNotRun, runWith } from './support/run-block.js';

const FILE = 'docs/http.md';
afterEach(closeApps);

@Controller()
class TwiceController {
  @Get() @RateLimit(2, 60) twice(): string {
    return 'twice';
  }
}

describe('docs/http.md', () => {
  it('states the defaults of headers', async () => {
    const stated = await startApp(await runWith(blockWith('legacy: true,', FILE)), { controllers: [TwiceController] });
    const fields = async (app: typeof stated) => {
      const { headers } = await app.get('/');
      return Object.fromEntries(Object.entries(headers).filter(([name]) => /ratelimit|retry|cache-control/.test(name)));
    };
    const silent = await startApp({ modules: [] }, { controllers: [TwiceController] });
    const byStated = [await fields(stated), await fields(stated), await fields(stated)];
    expect(byStated).toEqual([await fields(silent), await fields(silent), await fields(silent)]);
    expect(byStated[2]).toEqual({
      'ratelimit-policy': '"default";q=2;w=60',
      ratelimit: '"default";r=0;t=30',
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '1800000030',
      'retry-after': '30',
      'cache-control': 'no-store',
    });
  });

  it.each(['draft-11', 'draft-8'])('has the same fields with standard: %s', async (standard) => {
    const stated = blockWith('legacy: true,', FILE);
    expect(stated.code).toContain(`'${standard}'`);
    const code = stated.code.replace("standard: 'draft-11'", `standard: '${standard}'`);
    const app = await startApp(await runWith({ ...stated, code }), { controllers: [TwiceController] });
    const { headers } = await app.get('/');
    expect([headers['ratelimit-policy'], headers['ratelimit']]).toEqual(['"default";q=2;w=60', '"default";r=1;t=30']);
  });

  it('has older fields with seconds from now and the policy that they speak of', async () => {
    const app = await startApp(await runWith(blockWith("reset: 'delta', policy: true", FILE)), {
      controllers: [HomeController],
    });
    const { headers } = await app.get('/');
    expect(headers).toMatchObject({
      'x-ratelimit-limit': '10',
      'x-ratelimit-remaining': '9',
      'x-ratelimit-reset': '6',
      'x-ratelimit-policy': '10;w=60;name="default"',
    });
    expect(headers).not.toHaveProperty('ratelimit');
    expect(headers).not.toHaveProperty('ratelimit-policy');
  });

  it('has a key for each bucket, which only the secret can be used to find', async () => {
    const before = process.env['PARTITION_KEY_SECRET'];
    process.env['PARTITION_KEY_SECRET'] = 'example-secret-of-a-test';
    const { modules } = await runWith(blockWith('PARTITION_KEY_SECRET', FILE));
    if (before === undefined) delete process.env['PARTITION_KEY_SECRET'];
    else process.env['PARTITION_KEY_SECRET'] = before;
    const app = await startApp({ modules }, { controllers: [HomeController] });
    const hash = createHmac('sha256', 'example-secret-of-a-test').update('peruser\0user:42').digest();
    const key = `pk=:${hash.subarray(0, 12).toString('base64')}:`;
    expect(textOf(FILE)).toContain(`\`RateLimit: "peruser";r=99;t=60;${key}\``);
    expect((await app.get('/', as({ id: 42 }))).headers).toMatchObject({
      'ratelimit-policy': `"peruser";q=100;w=60;${key}`,
      ratelimit: `"peruser";r=99;t=60;${key}`,
    });
    expect((await app.get('/', as({ id: 43 }))).headers['ratelimit']).not.toContain(key);
  });

  it('spreads those who are refused', async () => {
    const app = await startApp(await runWith(blockWith('retryJitterSeconds: 5', FILE)), {
      controllers: [HomeController],
    });
    await Promise.all(Array.from({ length: 10 }, () => app.get('/')));
    const told = new Set<string>();
    for (let i = 0; i < 2000 && told.size < 6; i++) {
      const { status, headers, body } = await app.get('/');
      if (status !== 429) continue;
      const seconds = headers['retry-after']!;
      told.add(seconds);
      expect(headers['ratelimit']).toBe(`"default";r=0;t=${seconds}`);
      expect((body as { message: string }).message).toContain(`Retry in ${seconds} second`);
    }
    expect(told).toEqual(new Set(['1', '2', '3', '4', '5', '6']));
  });

  it('has a body of its own for a 429', async () => {
    const app = await startApp(await runWith(blockWith("code: 'slow_down'", FILE)), { controllers: [TwiceController] });
    expect(await app.admitted('/')).toBe(2);
    const { status, body } = await app.get('/');
    expect([status, body]).toEqual([429, { code: 'slow_down', retryAfterMs: 30_000 }]);
  });

  it('has a filter for everything that keeps the type of a problem', async () => {
    const { exports } = await runWith(blockWith('class EverythingFilter', FILE));
    const Filter = exports['EverythingFilter'] as new (adapter: unknown) => ExceptionFilter;
    @Controller()
    class FailingController extends TwiceController {
      @Get('fail') fail(): never {
        throw new NotFoundException();
      }
    }
    const app = await startApp(
      { modules: [RateLimitModule.forRoot({ body: 'problem' })] },
      {
        controllers: [FailingController],
        prepare: (nest) => nest.useGlobalFilters(new Filter(nest.getHttpAdapter())),
      },
    );
    expect(await app.admitted('/')).toBe(2);
    const { status, headers, body } = await app.get('/');
    expect([status, headers['content-type'], body.title]).toEqual([
      429,
      expect.stringContaining('application/problem+json'),
      'Quota Exceeded',
    ]);
    expect((await app.get('/fail')).status).toBe(404);
  });

  it('mounts guard and interceptor by hand', async () => {
    const { exports } = await runWith(blockWith('global: false', FILE));
    const app = await startApp({ modules: [] }, { root: exports['AppModule'], controllers: [TwiceController] });
    expect((await app.get('/')).headers).toMatchObject({ 'x-ratelimit-remaining': '1' });
    expect(await app.admitted('/')).toBe(1);
  });

  it('hands the decision to a handler', async () => {
    const { exports } = await runWith(blockWith('@RateLimitDecision()', FILE));
    const app = await startApp({ modules: [] }, { controllers: [exports['ReportsController']!] });
    expect((await app.get('/reports')).body).toEqual({ left: 29, policies: ['default'] });
  });

  it('was run as a whole by the tests above', () => expect(blocksNotRun(FILE)).toEqual([]));
});
