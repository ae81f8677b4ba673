import type { INestApplication, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MemoryStorage, Policy, RateLimiter, RateLimitOverrides, RateLimitStorage } from 'nestjs-token-bucket';
import request from 'supertest';
import { blocksOf, blockWith } from './support/markdown.js';
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
