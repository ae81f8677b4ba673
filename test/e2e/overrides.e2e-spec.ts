import { Controller, Get, UseGuards } from '@nestjs/common';
import {
  MemoryStorage,
  RateLimit,
  RateLimitConfigurationError,
  RateLimitModule,
  type RateLimitModuleOptions,
  RateLimitOverrides,
  RateLimitStorage,
  SkipRateLimit,
  user,
} from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { deleteUnder, eventually, plainClient, redisUrl, uniquePrefix } from '../support/redis-testing.js';
import { type Platform, PLATFORMS, startApp, startError } from './support/app.js';
import { limitFields, members, remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';
import { as, SignInGuard } from './support/sign-in.js';

@Controller()
@UseGuards(SignInGuard)
class ThingsController {
  @Get('shared')
  @RateLimit('exports')
  @SkipRateLimit('default')
  shared(): string {
    return 'shared';
  }

  @Get('default')
  byDefault(): string {
    return 'default';
  }

  @Get('waiting')
  @RateLimit({ capacity: 1, perSeconds: 1, onExceeded: 'wait', maxWaitMs: 1000 })
  waiting(): string {
    return 'waiting';
  }

  @Get('mine')
  @RateLimit(5, 3600, { by: user(), name: 'mine' })
  mine(): string {
    return 'mine';
  }
}

const CLIENT = 'ip:203.0.113.1';
const OPTIONS: RateLimitModuleOptions = {
  default: { capacity: 3, perSeconds: 3 },
  policies: { exports: { capacity: 2, perSeconds: 60, message: 'Too many exports.' } },
  overrides: true,
};

describe.each(PLATFORMS)('Limits that are changed at run time on %s', (platform: Platform) => {
  const start = useApps();
  const clock = new ManualClock();

  async function started(options: RateLimitModuleOptions = {}) {
    const { app, get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: new MemoryStorage({ clock }), ...OPTIONS, ...options })],
      controllers: [ThingsController],
    });
    return { get, limits: app.get(RateLimitOverrides) };
  }

  it('are those of routes, too, by the id that a decision tells', async () => {
    const { get, limits } = await started();
    const id = 'RootTestModule/ThingsController/waiting/default';
    await limits.set(id, CLIENT, { capacity: 7, perSeconds: 7 });
    expect(remaining(await get('/waiting'))).toBe(6);
    expect(await limits.list()).toMatchObject([{ policy: id, subject: CLIENT }]);
    expect(await limits.remove(id, CLIENT)).toBe(true);
  });

  it('are refused for a client that no limit spells so', async () => {
    const { limits } = await started();
    await expect(limits.block('203.0.113.1')).rejects.toThrow(`limits by address expect "${CLIENT}"`);
    await expect(limits.set('exports', 'ip:2001:db8::1', { capacity: 7, perSeconds: 7 })).rejects.toThrow(
      'limits by address expect "ip:2001:db8::/64"',
    );
  });

  it('are told by the header fields, and count at once for what was taken before', async () => {
    const { get, limits } = await started();
    for (let i = 0; i < 2; i++) expect((await get('/shared')).status).toBe(200);
    expect((await get('/shared')).status).toBe(429);
    // An upgrade: what the bucket owes is a minute of its refill, now a tenth of the capacity.
    await limits.set('exports', CLIENT, { capacity: 100, perSeconds: 600 });
    const upgraded = await get('/shared');
    expect(upgraded.status).toBe(200);
    expect(members(upgraded, 'RateLimit-Policy')).toEqual({ exports: { q: 100, w: 600 } });
    expect(remaining(upgraded, 'exports')).toBe(89);
    expect(limitFields(upgraded)).toMatchObject({ 'X-RateLimit-Limit': '100', 'X-RateLimit-Remaining': '89' });
    expect((await get('/shared', '203.0.113.2')).headers.get('X-RateLimit-Limit')).toBe('2');
    await limits.remove('exports', CLIENT);
    const refused = await get('/shared');
    expect(refused.status).toBe(429);
    // 66 s of debt, of which at most 30 may be left.
    expect(refused.headers.get('Retry-After')).toBe('36');
    expect(await refused.json()).toMatchObject({ message: 'Too many exports. Retry in 36 seconds.' });
  });

  it('hold for the default of the module, and end by themselves', async () => {
    const { get, limits } = await started();
    await limits.set('default', CLIENT, { capacity: 1, perSeconds: 1, expiresInSeconds: 30 });
    expect([(await get('/default')).status, (await get('/default')).status]).toEqual([200, 429]);
    clock.advanceMs(30_000);
    expect((await get('/default')).headers.get('X-RateLimit-Limit')).toBe('3');
  });

  it('a block is a 429 with its wait, whatever the limit, until it is over', async () => {
    const { get, limits } = await started();
    await limits.block(CLIENT, { expiresInSeconds: 90, reason: 'scraping' });
    const blocked = await get('/shared');
    expect(blocked.status).toBe(429);
    expect(limitFields(blocked)).toEqual({
      'Retry-After': '90',
      'RateLimit-Policy': '"exports";q=2;w=60',
      RateLimit: '"exports";r=0;t=90',
      'X-RateLimit-Limit': '2',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Reset': String(Math.ceil(clock.nowMicros() / 1e6) + 90),
    });
    expect(blocked.headers.get('Cache-Control')).toBe('no-store');
    const body = await blocked.text();
    expect(JSON.parse(body)).toEqual({
      statusCode: 429,
      message: 'This client is blocked. Retry in 90 seconds.',
      error: 'Too Many Requests',
    });
    expect(body).not.toContain('scraping');
    expect((await get('/default')).status).toBe(429);
    expect((await get('/shared', '203.0.113.2')).status).toBe(200);
    clock.advanceMs(90_000);
    expect(remaining(await get('/shared'), 'exports')).toBe(1);
  });

  it('a block without an end promises no instant, and ends when it is lifted', async () => {
    const { get, limits } = await started({ body: 'problem' });
    await limits.block(CLIENT);
    const blocked = await get('/shared');
    expect(limitFields(blocked)).toEqual({
      'RateLimit-Policy': '"exports";q=2;w=60',
      RateLimit: '"exports";r=0',
      'X-RateLimit-Limit': '2',
      'X-RateLimit-Remaining': '0',
    });
    expect(await blocked.json()).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#abnormal-usage-detected',
      title: 'Abnormal Usage Detected',
      status: 429,
      detail: 'This client is blocked.',
      'violated-policies': ['exports'],
    });
    await limits.unblock(CLIENT);
    expect((await get('/shared')).status).toBe(200);
  });

  it('a user who is blocked is refused after authentication, and his address has paid nothing', async () => {
    const { get, limits } = await started();
    await limits.block('user:eve', { expiresInSeconds: 60 });
    const eve = await get('/mine', '203.0.113.9', as('eve'));
    expect(eve.status).toBe(429);
    expect(eve.headers.get('Retry-After')).toBe('60');
    expect(members(eve, 'RateLimit')).toEqual({ mine: { r: 0, t: 60 } });
    expect(await eve.json()).toMatchObject({ message: 'This client is blocked. Retry in 60 seconds.' });
    expect((await limits.peek('default', 'ip:203.0.113.9')).remaining).toBe(3);
    expect((await get('/mine', '203.0.113.9', as('ada'))).status).toBe(200);
  });

  it('a client who is blocked does not wait in a line', async () => {
    const { get, limits } = await started({ storage: new MemoryStorage() });
    await limits.block(CLIENT);
    const blocked = await get('/waiting');
    expect(blocked.status).toBe(429);
    expect(limitFields(blocked)).not.toHaveProperty('Retry-After');
    expect(await blocked.json()).toMatchObject({ message: 'This client is blocked.' });
    await limits.unblock(CLIENT);
    expect((await get('/waiting')).status).toBe(200);
  });

  it('tokens that are granted are there at once', async () => {
    const { get, limits } = await started();
    for (let i = 0; i < 3; i++) await get('/shared');
    await limits.grant('exports', CLIENT, 1);
    expect([(await get('/shared')).status, (await get('/shared')).status]).toEqual([200, 429]);
    await limits.reset('exports', CLIENT);
    expect(remaining(await get('/shared'), 'exports')).toBe(1);
  });
});

describe('Instances on one Redis', () => {
  const client = plainClient();
  afterAll(() => client.quit());

  it('follow each other without being asked to', async () => {
    const prefix = uniquePrefix();
    const apps = await Promise.all(
      PLATFORMS.map((platform) =>
        startApp({
          platform,
          imports: [
            RateLimitModule.forRoot({
              ...OPTIONS,
              storage: new RedisStorage({ url: redisUrl(), prefix, deadlineMs: 1000 }),
              overrides: { refreshSeconds: 0.2 },
            }),
          ],
          controllers: [ThingsController],
        }),
      ),
    );
    const [one, other] = apps as [(typeof apps)[0], (typeof apps)[0]];
    try {
      const limits = one.app.get(RateLimitOverrides);
      await limits.set('exports', 'ip:203.0.113.2', { capacity: 50, perSeconds: 60 });
      await limits.block(CLIENT, { expiresInSeconds: 3600 });
      expect((await one.get('/shared')).status).toBe(429);
      await eventually(async () => (await (await other.get('/shared')).text()).includes('blocked'));
      expect((await other.get('/shared', '203.0.113.2')).headers.get('X-RateLimit-Limit')).toBe('50');
      await other.app.get(RateLimitOverrides).unblock(CLIENT);
      await eventually(async () => !(await (await one.get('/shared')).text()).includes('blocked'));
    } finally {
      for (const { close } of apps) await close();
      await deleteUnder(client, prefix);
    }
  });
});

describe('The option overrides', () => {
  const errorOf = (options: object) =>
    startError(() => ({
      imports: [RateLimitModule.forRoot({ ...OPTIONS, ...options })],
      controllers: [ThingsController],
    }));

  it.each([
    [{ overrides: 'yes' }, 'RateLimitModule.forRoot: overrides is "yes". Remedy: use true, false'],
    [{ overrides: { every: 1 } }, 'RateLimitModule.forRoot overrides: unknown option "every"'],
    [{ overrides: { refreshSeconds: 0 } }, 'RateLimitModule.forRoot overrides: refreshSeconds is 0; expected a number'],
  ])('is none of %j', async (options, message) => {
    const error = await errorOf(options);
    expect(error).toBeInstanceOf(RateLimitConfigurationError);
    expect(error.message).toContain(message);
  });

  it('needs a storage that keeps them', async () => {
    class Bare extends RateLimitStorage {
      consume = () => ({ allowed: true, nowMicros: 0, debtUnits: [0] });
      peek = this.consume;
      refund() {}
      grant() {}
      reset() {}
    }
    const error = await errorOf({ storage: new Bare() });
    expect(error).toBeInstanceOf(RateLimitConfigurationError);
    expect(error.message).toContain('RateLimitModule.forRoot overrides: the storage (Bare) does not keep them');
  });

  it('left out, the service says what to do, and still looks at buckets', async () => {
    const { app, close } = await startApp({
      imports: [RateLimitModule.forRoot({ ...OPTIONS, overrides: undefined })],
      controllers: [ThingsController],
    });
    const limits = app.get(RateLimitOverrides);
    await expect(limits.block(CLIENT)).rejects.toThrow('say overrides: true in RateLimitModule.forRoot');
    expect((await limits.peek('exports', CLIENT)).remaining).toBe(2);
    await close();
  });
});
