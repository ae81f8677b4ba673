import type { INestApplication, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MemoryStorage, RateLimitStorage } from 'nestjs-token-bucket';
import request from 'supertest';
import { blocksOf } from './support/markdown.js';
import { runBlock } from './support/run-block.js';

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
