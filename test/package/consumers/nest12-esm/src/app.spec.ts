import { describe, it } from 'vitest';
import { Test } from '@nestjs/testing';
import { appModule } from './app.js';
import { assertThirdRequestIsRefused } from './client.js';

describe('an application under test', () => {
  it.each([
    ['memory', undefined],
    ['Redis', process.env['REDIS_URL']],
  ])('refuses the third request on %s', async (_storage, redisUrl) => {
    const testing = await Test.createTestingModule({ imports: [appModule(redisUrl)] }).compile();
    const app = testing.createNestApplication();
    await app.listen(0, '127.0.0.1');
    await assertThirdRequestIsRefused(await app.getUrl());
    await app.close();
  });
});
