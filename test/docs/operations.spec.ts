import type { Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { RateLimitStorage, StorageFailureError } from 'nestjs-token-bucket';
import type { RedisStorage } from 'nestjs-token-bucket/redis';
import request from 'supertest';
import { HomeController } from './support/application.js';
import { blockWith } from './support/markdown.js';
import { runBlock } from './support/run-block.js';

const FILE = 'docs/operations.md';

/** A storage that cannot be asked. */
class AwayStorage extends RateLimitStorage {
  override get isAvailable(): boolean {
    return false;
  }
  consume(): never {
    throw new StorageFailureError('away');
  }
  peek(): never {
    return this.consume();
  }
  refund(): never {
    return this.consume();
  }
  grant(): never {
    return this.consume();
  }
  reset(): never {
    return this.consume();
  }
}

describe('docs/operations.md', () => {
  it('has an application that in an outage refuses log-ins, and counts the rest by the share of an instance', async () => {
    const { AppModule } = await runBlock<Record<string, Type>>(blockWith('instances: 8', FILE));
    const testing = await Test.createTestingModule({ imports: [AppModule!], controllers: [HomeController] })
      .overrideProvider(RateLimitStorage)
      .useValue(new AwayStorage())
      .compile();
    const app = await testing.createNestApplication({ logger: false }).init();
    const server = app.getHttpServer();
    const logIn = await request(server).post('/login');
    expect([logIn.status, logIn.headers['retry-after']]).toEqual([503, '1']);
    const admitted = await request(server).get('/');
    expect([admitted.status, admitted.headers['ratelimit-policy']]).toEqual([200, undefined]);
    let answer = admitted;
    while (answer.status === 200) answer = await request(server).get('/');
    // Twelve of a hundred, with the rate of an eighth.
    expect([answer.status, answer.headers['ratelimit-policy']]).toEqual([429, '"default";q=12;w=58']);
    await app.close();
  });

  it('has a storage that tells of an outage', async () => {
    const before = process.env['REDIS_URL'];
    // No server listens there.
    process.env['REDIS_URL'] = 'redis://127.0.0.1:1';
    const { storage, redisState } = await runBlock<{
      storage: RedisStorage;
      redisState: { up: number; outages: number; reason: string };
    }>(blockWith('redisState', FILE));
    if (before === undefined) delete process.env['REDIS_URL'];
    else process.env['REDIS_URL'] = before;
    expect(redisState).toEqual({ up: 1, outages: 0, reason: '' });
    const warn = jest.spyOn(console, 'warn').mockImplementation();
    await storage.open();
    expect(redisState).toEqual({ up: 0, outages: 1, reason: 'connect ECONNREFUSED 127.0.0.1:1' });
    expect(storage.isAvailable).toBe(false);
    expect(warn).toHaveBeenCalledTimes(1);
    await storage.close();
    warn.mockRestore();
  });
});
