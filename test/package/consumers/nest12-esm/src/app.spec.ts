import { describe, it } from 'vitest';
import { Test } from '@nestjs/testing';
import { ManualClock, withManualClock, withoutRateLimits } from 'nestjs-token-bucket/testing';
import { appModule } from './app.js';
import { assertNoRequestIsRefused, assertThirdRequestIsRefused } from './client.js';
import { checks } from './storage-checks.js';

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

  it('has no limits, or limits by the clock of the test', async () => {
    const builder = () => Test.createTestingModule({ imports: [appModule()] });
    const unlimited = (await withoutRateLimits(builder()).compile()).createNestApplication();
    await unlimited.listen(0, '127.0.0.1');
    await assertNoRequestIsRefused(await unlimited.getUrl());
    await unlimited.close();

    const limited = (await withManualClock(builder(), new ManualClock()).compile()).createNestApplication();
    await limited.listen(0, '127.0.0.1');
    await assertThirdRequestIsRefused(await limited.getUrl());
    await limited.close();
  });
});

describe('a storage under test', () => {
  for (const { name, run } of checks) it(name, run);
});
