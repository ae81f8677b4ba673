import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Controller, Get } from '@nestjs/common';
import { everyone, RateLimit, RateLimitModule } from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import { startApp } from '../e2e/support/app.js';
import { remaining } from '../e2e/support/fields.js';
import { ensureBuilt, root } from '../support/built.js';
import { redisUrl, uniquePrefix } from '../support/redis-testing.js';

@Controller('jobs')
class JobsController {
  @Get()
  @RateLimit({ capacity: 3, perSeconds: 3600, id: 'jobs', by: everyone(), refundIf: () => true })
  run(): string {
    return 'done';
  }
}

describe('A process that dies before its requests are settled', () => {
  let child: ChildProcess | undefined;
  afterEach(() => child?.kill('SIGKILL'));

  it('leaves them charged, and no more than that', async () => {
    ensureBuilt();
    const url = redisUrl();
    const prefix = uniquePrefix();
    child = fork(join(root, 'test/support/dying-app.mjs'), [JSON.stringify({ url, prefix })], {
      cwd: root,
      execArgv: [],
    });
    const [port] = (await once(child, 'message')) as [number];
    const running = once(child, 'message');
    const lost = fetch(`http://127.0.0.1:${port}/jobs`);
    await running;
    child.kill('SIGKILL');
    await expect(lost).rejects.toThrow('fetch failed');

    const storage = new RedisStorage({ url, prefix, deadlineMs: 10_000 });
    const app = await startApp({ imports: [RateLimitModule.forRoot({ storage })], controllers: [JobsController] });
    try {
      // One of three is lost with the process until it refills; the others are given back here.
      expect(remaining(await app.get('/jobs'))).toBe(1);
      expect(remaining(await app.get('/jobs'))).toBe(1);
    } finally {
      await app.close();
    }
  });
});
