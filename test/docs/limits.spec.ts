import { Controller, Get, type INestApplication, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MemoryStorage, Policy, RateLimit, RateLimiter, RateLimitModule } from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import request from 'supertest';
import { blockWith } from './support/markdown.js';
import { runBlock } from './support/run-block.js';

const FILE = 'docs/limits.md';
const running: INestApplication[] = [];
afterEach(async () => {
  for (const app of running.splice(0)) await app.close();
});

async function start(controller: Type, storage = new MemoryStorage()): Promise<INestApplication> {
  const policies = { exports: '5/minute' };
  const testing = Test.createTestingModule({
    imports: [RateLimitModule.forRoot({ storage, policies: controller.name === 'ReportsController' ? policies : {} })],
    controllers: [controller],
  });
  const app = (await testing.compile()).createNestApplication({ logger: false });
  running.push(app);
  return app.init();
}

const ask = (app: INestApplication, path: string, headers: Record<string, string> = {}) =>
  request(app.getHttpServer()).get(path).set(headers);

describe('docs/limits.md', () => {
  it.each([
    ['a', '"default";q=30;w=60'],
    ['b', '"own";q=30;w=60'],
    ['c', '"default";q=10;w=5'],
    ['d', '"default.second";q=10;w=1, "default.minute";q=100;w=60, "default.hour";q=1000;w=3600'],
    ['e', '"api.second";q=10;w=1, "api.hour";q=1000;w=3600'],
    ['f', '"default.burst";q=10;w=1, "default.daily";q=1000;w=86400'],
    ['g', '"default.free";q=60;w=60'],
    ['h', '"default";q=60;w=60'],
  ])('has a form %s that means %s', async (path, policies) => {
    const { ReportsController } = await runBlock<Record<string, Type>>(blockWith('class ReportsController', FILE));
    const app = await start(ReportsController!);
    expect((await ask(app, `/reports/${path}`)).headers['ratelimit-policy']).toBe(policies);
  });

  it('has tiers that are checked together', async () => {
    const { ApiController } = await runBlock<Record<string, Type>>(blockWith('const planOf', FILE));
    const app = await start(ApiController!);
    expect((await ask(app, '/api')).headers['ratelimit-policy']).toBe(
      '"plan.free.minute";q=60;w=60, "plan.free.daily";q=1000;w=86400',
    );
  });

  it.each([
    [30, '60/minute', '600/minute', '300', undefined],
    [600, '600/minute', '60/minute', '0', '1'],
    [10, '10/hour', '60/minute', '0', '3541'],
  ])('says what is left after %d of %s when the numbers become %s', async (used, before, after, left, wait) => {
    let numbers = before;
    @Controller()
    class NumbersController {
      @Get() @RateLimit(() => numbers) numbers(): string {
        return 'by a function';
      }
    }
    const app = await start(NumbersController, new MemoryStorage({ clock: new ManualClock() }));
    for (let i = 0; i < used; i++) await ask(app, '/');
    numbers = after;
    const { headers } = await ask(app, '/');
    // One that is admitted takes one.
    const taken = wait === undefined ? 1 : 0;
    expect([Number(headers['x-ratelimit-remaining']) + taken, headers['retry-after']]).toEqual([Number(left), wait]);
  });
});

describe('docs/in-code.md', () => {
  it('has a job that is corrected in both directions, and given back when it fails', async () => {
    const { Reports } = await runBlock<{
      Reports: new (limiter: RateLimiter) => { make(customer: string): Promise<number> };
    }>(blockWith('limiter.settle(', 'docs/in-code.md'));
    const clock = new ManualClock();
    const limiter = new RateLimiter(new MemoryStorage({ clock }), [
      new Policy({ name: 'rows', capacity: 10_000, perSeconds: 3600, maxDebt: 5000 }),
    ]);
    const left = async () => (await limiter.peek({ policy: 'rows', subject: 'customer:7' })).remaining;
    const reports = new Reports(limiter);
    const build = jest.spyOn(reports as unknown as { build(): Promise<unknown[]> }, 'build');
    build.mockResolvedValueOnce(Array.from({ length: 200 }));
    expect(await reports.make('7')).toBe(200);
    expect(await left()).toBe(9800);
    build.mockResolvedValueOnce(Array.from({ length: 4800 }));
    await reports.make('7');
    expect(await left()).toBe(5000);
    build.mockRejectedValueOnce(new Error('no database'));
    await expect(reports.make('7')).rejects.toThrow('no database');
    expect(await left()).toBe(5000);
    build.mockResolvedValueOnce(Array.from({ length: 9000 }));
    await reports.make('7');
    await expect(reports.make('7')).rejects.toThrow(/in 18\d\d seconds/);
  });
});
