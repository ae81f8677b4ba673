import { type ArgumentsHost, Controller, Get, type INestApplication } from '@nestjs/common';
import {
  RateLimit,
  RateLimiter,
  RateLimitModule,
  type RateLimitModuleOptions,
  RateLimitUnavailableException,
  StorageFailureError,
  user,
} from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import { eventually, uniquePrefix } from '../support/redis-testing.js';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.mjs';
import { PLATFORMS } from './support/app.js';
import { limitFields, remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';

let handled = 0;

@Controller()
class WorkController {
  @Get()
  @RateLimit(5, 3600)
  work(): string {
    handled++;
    return 'done';
  }

  @Get('mine')
  @RateLimit(5, 3600, { by: user() })
  mine(): string {
    handled++;
    return 'mine';
  }

  @Get('open')
  open(): string {
    return 'open';
  }
}

/** Longer than a deadline on a busy machine, far shorter than the seconds that clients of Redis wait by themselves. */
const AT_ONCE_MS = 2000;

async function expectUnavailable(ask: () => Promise<Response>): Promise<Response> {
  const before = handled;
  const begin = performance.now();
  const response = await ask();
  expect(performance.now() - begin).toBeLessThan(AT_ONCE_MS);
  expect(response.status).toBe(503);
  expect(limitFields(response)).toEqual({ 'Retry-After': '1' });
  expect(response.headers.get('Cache-Control')).toBe('no-store');
  expect(handled).toBe(before);
  return response;
}

describe.each(PLATFORMS)('Without Redis on %s', (platform) => {
  const start = useApps();
  const warnings: string[] = [];

  const startWithout = async (
    options: RateLimitModuleOptions = {},
    configure: (app: INestApplication) => void = () => {},
  ) => {
    warnings.length = 0;
    const storage = new RedisStorage({
      url: `redis://127.0.0.1:${await freePort()}`,
      prefix: uniquePrefix(),
      logger: { warn: (message: string) => warnings.push(message) },
    });
    return start({
      platform,
      imports: [RateLimitModule.forRoot({ storage, onStorageFailure: 'deny', ...options })],
      controllers: [WorkController],
      configure,
    });
  };

  it('an application starts, says so once, and answers what is not limited', async () => {
    const { get } = await startWithout();
    expect(warnings).toEqual([expect.stringContaining('Redis cannot be asked yet')]);
    expect((await get('/open')).status).toBe(200);
  });

  it('a limited route is answered with 503 at once, without fields of limits', async () => {
    const { get } = await startWithout();
    const response = await expectUnavailable(() => get('/'));
    expect(response.headers.get('Content-Type')).toMatch(/^application\/json\b/);
    expect(await response.json()).toEqual({
      statusCode: 503,
      message: 'Rate limits cannot be checked at the moment. Retry in 1 second.',
      error: 'Service Unavailable',
    });
  });

  it('so is one that is limited after authentication', async () => {
    const { get } = await startWithout();
    await expectUnavailable(() => get('/mine'));
  });

  it('the answer is a problem document where those were chosen', async () => {
    const { get } = await startWithout({ body: 'problem' });
    const response = await expectUnavailable(() => get('/'));
    expect(response.headers.get('Content-Type')).toMatch(/^application\/problem\+json\b/);
    expect(await response.json()).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
      title: 'Temporary Reduced Capacity',
      status: 503,
      detail: 'Rate limits cannot be checked at the moment. Retry in 1 second.',
      'violated-policies': ['default'],
    });
  });

  it('Retry-After is left out where it was switched off', async () => {
    const { get } = await startWithout({ headers: { retryAfter: false } });
    const response = await get('/');
    expect(response.status).toBe(503);
    expect(limitFields(response)).toEqual({});
    expect(response.headers.get('Cache-Control')).toBe('no-store');
  });

  it('Retry-After and the body spread clients where that was chosen', async () => {
    const { get } = await startWithout({ headers: { retryJitterSeconds: 1 } });
    const told = new Set<string | null>();
    for (let i = 0; i < 1000 && told.size < 2; i++) {
      const response = await get('/');
      const seconds = response.headers.get('Retry-After');
      expect(await response.json()).toMatchObject({
        message: expect.stringMatching(`Retry in ${seconds} seconds?\\.$`),
      });
      told.add(seconds);
    }
    expect(told).toEqual(new Set(['1', '2']));
  });

  it('a hundred requests at once are all answered at once', async () => {
    const { get } = await startWithout();
    const begin = performance.now();
    const answers = await Promise.all(Array.from({ length: 100 }, () => get('/')));
    expect(performance.now() - begin).toBeLessThan(2 * AT_ONCE_MS);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
  });

  it('code that asks the limiter is told what happened', async () => {
    const { app } = await startWithout({ policies: { jobs: { capacity: 1, perSeconds: 60, usedInCode: true } } });
    const asked = Promise.resolve(app.get(RateLimiter).consume({ policy: 'jobs', subject: 'user:1' }));
    await expect(asked).rejects.toThrow(StorageFailureError);
  });

  it('a filter of the application finds the cause in the exception', async () => {
    const caught: unknown[] = [];
    const { get } = await startWithout({}, (app) =>
      app.useGlobalFilters({
        catch(exception: unknown, host: ArgumentsHost) {
          caught.push(exception);
          app.getHttpAdapter().reply(host.switchToHttp().getResponse(), 'later', 503);
        },
      }),
    );
    const response = await expectUnavailable(() => get('/'));
    expect(await response.text()).toBe('later');
    expect(caught[0]).toBeInstanceOf(RateLimitUnavailableException);
    expect((caught[0] as RateLimitUnavailableException).cause).toBeInstanceOf(StorageFailureError);
  });
});

describe.each(PLATFORMS)('A Redis that goes away on %s', (platform) => {
  const start = useApps();
  let redis: RedisServer;

  beforeEach(async () => {
    redis = await startRedis();
  });

  afterEach(() => redis.stop());

  const startWork = (deadlineMs: number) =>
    start({
      platform,
      imports: [
        RateLimitModule.forRoot({
          onStorageFailure: 'deny',
          storage: new RedisStorage({ url: redis.url, prefix: uniquePrefix(), deadlineMs, logger: { warn: () => {} } }),
        }),
      ],
      controllers: [WorkController],
    });

  it('is a 503 while it is away, and decides again when it is back', async () => {
    // Long, so that no answer of the Redis that is back comes too late: then a request would be charged and answered 503.
    const { get } = await startWork(5000);
    expect(remaining(await get('/'))).toBe(4);
    await redis.stop();
    await expectUnavailable(() => get('/'));
    await expectUnavailable(() => get('/'));
    redis = await startRedis([], { port: redis.port });
    let response: Response | undefined;
    await eventually(async () => {
      response = await get('/');
      return response.status !== 503;
    });
    // Its memory is gone with it, and no request of the outage was charged later.
    expect([response?.status, response && remaining(response)]).toEqual([200, 4]);
  });

  it('is a 503 while it does not answer, and decides again when it does', async () => {
    const { get } = await startWork(50);
    await eventually(async () => (await get('/')).status === 200);
    process.kill(redis.pid, 'SIGSTOP');
    try {
      await expectUnavailable(() => get('/'));
      await expectUnavailable(() => get('/mine'));
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
    await eventually(async () => (await get('/')).status !== 503);
  });
});
