import { Controller, Get, type INestApplication, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MemoryStorage, RateLimitModule, type RateLimitModuleOptions } from 'nestjs-token-bucket';
import { ManualClock, withManualClock } from 'nestjs-token-bucket/testing';
import request from 'supertest';
import { blocksOf } from './support/markdown.js';
import { runBlock } from './support/run-block.js';

const GUIDE = 'docs/coming-from-throttler.md';

const running: INestApplication[] = [];
afterEach(async () => {
  for (const app of running.splice(0)) await app.close();
});

async function start(
  imports: object[],
  controllers: Type[] = [],
  clock = new ManualClock(),
): Promise<INestApplication> {
  const testing = Test.createTestingModule({ imports: imports as Type[], controllers });
  const app = (await withManualClock(testing, clock).compile()).createNestApplication({ logger: false });
  running.push(app);
  return app.init();
}

@Controller()
class HomeController {
  @Get() home(): void {}
}

const limited = (options: RateLimitModuleOptions) =>
  RateLimitModule.forRoot({ storage: new MemoryStorage(), ...options });

describe('Whoever comes from @nestjs/throttler', () => {
  it('has the limits that the first example says', async () => {
    const { AppModule } = await runBlock<{ readonly AppModule: Type }>(blocksOf(GUIDE)[0]!);
    const server = (await start([AppModule])).getHttpServer();
    const policy = async (method: 'get' | 'post', path: string) =>
      (await request(server)[method](path)).headers['ratelimit-policy'];
    expect(await policy('get', '/reports')).toBe('"default";q=10;w=60');
    expect(await policy('post', '/reports')).toBe('"default";q=3;w=60');
    expect(await policy('get', '/reports/health')).toBeUndefined();
  });

  it('finds three throttlers again as three policies of these names', async () => {
    const app = await start([limited({ default: '3/second; 20 per 10 seconds; 100/minute' })], [HomeController]);
    expect((await request(app.getHttpServer()).get('/')).headers['ratelimit-policy']).toBe(
      '"default.second";q=3;w=1, "default.10-seconds";q=20;w=10, "default.minute";q=100;w=60',
    );
  });

  it.each([
    ['one more every 6 s after 10 at once: a bucket', {}, 19],
    ['no more than 10: a sliding window log', { algorithm: 'sliding-window-log' }, 10],
  ] as const)('sees in the minute after a pause %s', async (_kind, how, most) => {
    const clock = new ManualClock();
    const app = await start([limited({ default: { capacity: 10, perSeconds: 60, ...how } })], [HomeController], clock);
    const admitAll = async () => {
      let count = 0;
      while ((await request(app.getHttpServer()).get('/')).status === 200) count++;
      return count;
    };
    expect(await admitAll()).toBe(10);
    clock.advanceMs(59_999.999);
    expect(await admitAll()).toBe(most - 10);
  });

  it('can leave clients the fields and the body that they know', async () => {
    const headers = { standard: false, legacy: { reset: 'delta' } } as const;
    const body = () => ({ statusCode: 429, message: 'ThrottlerException: Too Many Requests' });
    const app = await start([limited({ default: { capacity: 1, perSeconds: 60 }, headers, body })], [HomeController]);
    const admitted = await request(app.getHttpServer()).get('/');
    expect(admitted.headers).toMatchObject({
      'x-ratelimit-limit': '1',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '60',
    });
    expect(admitted.headers).not.toHaveProperty('ratelimit');
    const refused = await request(app.getHttpServer()).get('/');
    expect(refused.headers).toMatchObject({ 'retry-after': '60', 'x-ratelimit-reset': '60' });
    expect(refused.body).toEqual(body());
  });
});
