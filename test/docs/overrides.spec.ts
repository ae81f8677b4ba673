import type { INestApplication, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  MemoryStorage,
  Policy,
  PolicyLimiter,
  RateLimiter,
  RateLimitOverrides,
  RateLimitStorage,
  WaitTooLongError,
} from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import request from 'supertest';
import { blocksOf, blockWith, tableRows } from './support/markdown.js';
import { runBlock, runWith } from './support/run-block.js';

let app: INestApplication;
const before = process.env['REDIS_URL'];

beforeAll(async () => {
  process.env['REDIS_URL'] = 'redis://redis.example:6379';
  const block = blocksOf('docs/overrides.md').find(({ code }) => code.includes('class LimitsController'))!;
  const { AppModule, AdminGuard } = await runBlock<Record<string, Type>>(block);
  const testing = await Test.createTestingModule({ imports: [AppModule!] })
    .overrideProvider(RateLimitStorage)
    .useValue(new MemoryStorage())
    .overrideGuard(AdminGuard!)
    .useValue({ canActivate: () => true })
    .compile();
  app = testing.createNestApplication();
  await app.init();
});
afterAll(async () => {
  process.env['REDIS_URL'] = before;
  await app.close();
});

test('the page for administrators of docs/overrides.md does what it says', async () => {
  const server = request(app.getHttpServer());
  await server.put('/admin/limits/exports/user:42').send({ capacity: 500, perSeconds: 60 }).expect(200);
  await server.post('/admin/blocked/user:7').send({ expiresInSeconds: 3600, reason: 'scraping' }).expect(201);
  const { body } = await server.get('/admin/limits').expect(200);
  expect(body).toEqual({
    overrides: [{ policy: 'exports', subject: 'user:42', capacity: 500, perSeconds: 60 }],
    blocked: [{ subject: 'user:7', reason: 'scraping', expiresInMs: expect.any(Number) }],
  });
  const look = async (subject: string) => (await server.get(`/admin/limits/exports/${subject}`)).body;
  expect(await look('user:42')).toEqual({ remaining: 500, resetAfterMs: 0, isBlocked: false });
  expect(await look('user:7')).toMatchObject({ remaining: 0, isBlocked: true });
  expect((await server.delete('/admin/limits/exports/user:42')).body).toEqual({ removed: true });
  expect((await server.delete('/admin/blocked/user:7')).body).toEqual({ unblocked: true });
  expect(await look('user:42')).toMatchObject({ remaining: 50 });
  expect(await look('user:7')).toMatchObject({ remaining: 50, isBlocked: false });
});

test('the calls of docs/overrides.md change what they say', async () => {
  const declared = new Policy({ name: 'exports', capacity: 50, perSeconds: 60 });
  const limiter = new RateLimiter(new MemoryStorage(), [declared], { overrides: true });
  const limits = new RateLimitOverrides(limiter);
  await runWith(blockWith("await limits.set('exports', EVERY_SUBJECT", 'docs/overrides.md'), { given: { limits } });
  expect(await limits.list()).toMatchObject([
    { policy: 'exports', subject: undefined, capacity: 10, perSeconds: 60, reason: 'incident' },
    { subject: 'user:42', capacity: 500, refillTokens: 50, refillSeconds: 10, refillEverySeconds: 10 },
  ]);
  expect(await limits.blocked()).toMatchObject([{ subject: 'ip:203.0.113.7', reason: 'scraping' }]);
  const leftOf = async (subject: string) => (await limits.peek('exports', subject)).remaining;
  expect([await leftOf('user:42'), await leftOf('user:43')]).toEqual([500, 10]);
  expect(await limits.peek('exports', 'ip:203.0.113.7')).toMatchObject({ isBlocked: true, allowed: false });
});

describe('a limit of 1000 a day that is used up at one in the morning and raised to 10 000', () => {
  const HOUR_MICROS = 3_600_000_000;
  const MIDNIGHT_MICROS = 20_833 * 24 * HOUR_MICROS;

  async function setUp(shape: Pick<Policy, 'algorithm'> | { readonly refillEverySeconds: number }) {
    const clock = new ManualClock(MIDNIGHT_MICROS + HOUR_MICROS);
    const daily = new Policy({ name: 'daily', capacity: 1000, perSeconds: 86_400, ...shape });
    const limiter = new RateLimiter(new MemoryStorage({ clock }), [daily], { overrides: true });
    const limits = new RateLimitOverrides(limiter);
    await limiter.consume({ policy: daily, subject: 'user:42', cost: 1000 });
    const look = () => limits.peek('daily', 'user:42');
    return { clock, limits, look };
  }

  it.each([
    ['token-bucket', { algorithm: 'token-bucket' }, 8.64, 1],
    ['refillEverySeconds: 8640', { refillEverySeconds: 8640 }, 5040, 1000],
    ['fixed-window', { algorithm: 'fixed-window' }, 23 * 3600, 10_000],
    ['sliding-window-log', { algorithm: 'sliding-window-log' }, 86_400, 1000],
    ['sliding-window-counter', { algorithm: 'sliding-window-counter' }, 23 * 3600 + 86.4, 1],
  ] as const)('leaves with a %s what the table says', async (name, shape, nextSeconds, next) => {
    const row = tableRows('docs/overrides.md', '`algorithm`').find(([algorithm]) => algorithm!.includes(name))!;
    const { clock, limits, look } = await setUp(shape);
    const isInSteps = 'refillEverySeconds' in shape;
    await limits.set('daily', 'user:42', { capacity: 10_000, perSeconds: 86_400, ...(isInSteps && shape) });
    const left = Number(row[1]);
    expect((await look()).remaining).toBe(left);
    clock.advanceMs(nextSeconds * 1000 - 0.001);
    expect((await look()).remaining).toBe(left);
    clock.advanceMs(0.001);
    expect((await look()).remaining).toBe(left + next);
  });

  it('is felt at once where docs/overrides.md grants the rest', async () => {
    const { limits, look } = await setUp({ algorithm: 'fixed-window' });
    await runWith(blockWith("limits.set('daily'", 'docs/overrides.md'), { given: { limits } });
    expect((await look()).remaining).toBe(9000);
    await limits.reset('daily', 'user:42');
    expect((await look()).remaining).toBe(10_000);
  });
});

describe('somebody who is blocked while waiting in a line', () => {
  it('is let through, and not the next time', async () => {
    const clock = new ManualClock();
    const calls = new Policy({ name: 'calls', capacity: 1, perSeconds: 60 });
    const limiter = new RateLimiter(new MemoryStorage({ clock }), [calls], { overrides: true });
    const line = new PolicyLimiter(limiter, calls, clock);
    await line.wait('user:7');
    const waiting = line.wait('user:7');
    await new RateLimitOverrides(limiter).block('user:7');
    expect(await clock.advanceUntil(waiting)).toMatchObject({ allowed: true });
    await expect(line.wait('user:7')).rejects.toThrow(WaitTooLongError);
  });
});

test('without Nest, what cannot be read is told to whom docs/overrides.md says', async () => {
  const told = jest.spyOn(console, 'warn').mockImplementation();
  const block = blockWith('new RateLimitOverrides(', 'docs/overrides.md');
  const { storage, limits } = await runBlock<{ storage: MemoryStorage; limits: RateLimitOverrides }>(
    block,
    'storage',
    'limits',
  );
  await storage.overrideStore.write('spoiled', 'no override', 0);
  await limits.refresh();
  await limits.refresh();
  limits.close();
  expect(told.mock.calls).toEqual([[expect.stringContaining('spoiled')]]);
  told.mockRestore();
});
