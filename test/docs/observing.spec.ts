import { Controller, Get, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { RateLimit, type RateLimiter, RateLimitModule } from 'nestjs-token-bucket';
import request from 'supertest';
import { blockWith } from './support/markdown.js';
import { blocksNotRun, runBlock, runWith } from './support/run-block.js';

const FILE = 'docs/observing.md';

@Controller()
class HomeController {
  @Get() @RateLimit(1, 3600, { name: 'home' }) home(): string {
    return 'home';
  }
}

describe('docs/observing.md', () => {
  it('has a controller of metrics that Prometheus could read', async () => {
    const { MetricsController } = await runBlock<Record<string, Type>>(blockWith('class MetricsController', FILE));
    const app = (
      await Test.createTestingModule({
        imports: [RateLimitModule.forRoot({ logDenials: false })],
        controllers: [HomeController, MetricsController!],
      }).compile()
    ).createNestApplication({ logger: false });
    await app.init();
    for (let i = 0; i < 3; i++) await request(app.getHttpServer()).get('/');
    const { text, headers } = await request(app.getHttpServer()).get('/metrics');
    expect(headers['content-type']).toContain('text/plain; version=0.0.4');
    const name = 'nestjs_token_bucket_rate_limiting_requests_total';
    const at = 'policy="home",place="RootTestModule/HomeController/home"';
    expect(text).toBe(
      `# TYPE ${name} counter\n` +
        `${name}{${at},result="allowed"} 1\n${name}{${at},result="denied"} 2\n${name}{${at},result="failed"} 0\n`,
    );
    await app.close();
  });

  it('has hooks that are told', async () => {
    const { AppModule, audit } = await runBlock<{ AppModule: Type; audit: string[] }>(
      blockWith('onStorageFailure:', FILE),
    );
    const testing = Test.createTestingModule({ imports: [AppModule], controllers: [HomeController] });
    const app = (await testing.compile()).createNestApplication({ logger: false });
    await app.init();
    for (let i = 0; i < 2; i++) await request(app.getHttpServer()).get('/');
    expect(audit).toEqual([
      'HomeController.home: 0 left',
      expect.stringMatching(/^HomeController\.home denied ip:(127\.0\.0\.1|::1): 3\d{6}(\.\d+)? ms$/),
    ]);
    await app.close();
  });

  it('has policies that are counted before anybody asks', async () => {
    const { limiter } = await runBlock<{ limiter: RateLimiter }>(blockWith('declare(PLANS)', FILE));
    const zero = { place: 'plans', allowed: 0, denied: 0, withoutStorage: 0, failed: 0 };
    expect(limiter.counts).toEqual([
      { policy: 'free', ...zero },
      { policy: 'pro', ...zero },
    ]);
  });

  const startLogged = async (text: string) => {
    const lines: string[] = [];
    const remember = (line: unknown): number => lines.push(String(line));
    const { modules } = await runWith(blockWith(text, FILE));
    const testing = Test.createTestingModule({ imports: [...modules], controllers: [HomeController] });
    const app = (await testing.compile()).createNestApplication({
      logger: { log: remember, warn: remember, error: remember },
    });
    await app.init();
    return { app, lines };
  };

  it('has a table of all routes', async () => {
    const { app, lines } = await startLogged('logPolicies: true');
    expect(lines.find((line) => line.startsWith('Limits of all routes:'))).toMatch(
      /^GET +\/ +HomeController.home +default/m,
    );
    await app.close();
  });

  it('has summaries at intervals of its own', async () => {
    const { app, lines } = await startLogged('intervalSeconds: 600');
    const timers = jest.spyOn(globalThis, 'setTimeout');
    for (let i = 0; i < 4; i++) await request(app.getHttpServer()).get('/');
    timers.mock.calls.find(([, delayMs]) => delayMs === 600_000)![0]();
    timers.mockRestore();
    expect(lines.at(-1)).toContain('Denied in 600 s: 3 requests of 1 client.');
    await app.close();
  });

  it('was run as a whole by the tests above', () => expect(blocksNotRun(FILE)).toEqual([]));
});
