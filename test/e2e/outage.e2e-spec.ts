import { Controller, Get, UseGuards } from '@nestjs/common';
import {
  RateLimit,
  RateLimiter,
  RateLimitModule,
  type RateLimitModuleOptions,
  type RateLimitStorage,
  type StorageFailureMode,
  user,
} from 'nestjs-token-bucket';
import { type RedisAvailability, RedisStorage } from 'nestjs-token-bucket/redis';
import { RedisProxy } from '../support/redis-proxy.js';
import { type RedisServer, startRedis } from '../support/redis-server.mjs';
import { eventually, redisUrl, uniquePrefix } from '../support/redis-testing.js';
import { type AppSettings, PLATFORMS, type RunningApp } from './support/app.js';
import { limitFields, remaining } from './support/fields.js';
import { makeStorage, useApps } from './support/lanes.js';
import { KeptLog } from './support/logs.js';
import { expectMistake, loose, type MistakeRow, onMethod } from './support/mistakes.js';
import { as, SignInGuard } from './support/sign-in.js';

/** A token of a limit of four an hour. */
const TOKEN_SECONDS = 900;
const hourly = (onStorageFailure?: StorageFailureMode) => RateLimit(4, 3600, { onStorageFailure });

@Controller()
@UseGuards(SignInGuard)
class WorkController {
  @Get('unsaid') @hourly() unsaid(): string {
    return 'done';
  }

  @Get('local') @hourly('local') local(): string {
    return 'done';
  }

  @Get('allow') @hourly('allow') allow(): string {
    return 'done';
  }

  @Get('deny') @hourly('deny') deny(): string {
    return 'done';
  }

  @Get('local-and-allow')
  @hourly('local')
  @RateLimit(3, 3600, { name: 'other', onStorageFailure: 'allow' })
  two(): string {
    return 'done';
  }

  @Get('local-and-deny')
  @hourly('local')
  @RateLimit(3, 3600, { name: 'other', onStorageFailure: 'deny' })
  three(): string {
    return 'done';
  }

  @Get('phases') @hourly('local') @RateLimit(1, 3600, { name: 'mine', by: user() }) phases(): string {
    return 'done';
  }

  @Get('shared') @RateLimit('exports') shared(): string {
    return 'done';
  }

  @Get('open') open(): string {
    return 'open';
  }
}

@Controller()
class DenyingController {
  @Get('deny') @hourly('deny') deny(): string {
    return 'done';
  }
}

const POLICIES = { exports: { capacity: 4, perSeconds: 3600, onStorageFailure: 'deny' } } as const;

let proxy: RedisProxy;
let warnings: string[];
let changes: RedisAvailability[];

beforeEach(async () => {
  proxy = await RedisProxy.start(Number(new URL(redisUrl()).port));
  warnings = [];
  changes = [];
});
afterEach(() => proxy.stop());

// The deadline is long, so that a busy machine is no outage: the connection that is gone is.
const storageAt = (url: string): RedisStorage =>
  new RedisStorage({
    url,
    prefix: uniquePrefix(),
    deadlineMs: 5000,
    logger: { warn: (message) => warnings.push(message) },
    onAvailability: (change) => changes.push(change),
  });

async function goAway(): Promise<void> {
  proxy.newcomers = 'reset';
  proxy.resetAll();
  await eventually(() => changes.at(-1)?.available === false);
}

async function comeBack(): Promise<void> {
  proxy.heal();
  await eventually(() => changes.at(-1)?.available === true);
}

const settings = (platform: AppSettings['platform'], options: RateLimitModuleOptions): AppSettings => ({
  platform,
  imports: [RateLimitModule.forRoot({ policies: POLICIES, storage: storageAt(proxy.url), ...options })],
  controllers: [WorkController],
});

async function expectAdmittedWithoutFields(response: Promise<Response>): Promise<void> {
  const { status } = await response;
  expect([status, limitFields(await response)]).toEqual([200, {}]);
}

/** The process's own count says how long. */
async function expectRefused(response: Promise<Response>, retryAfterSeconds: number): Promise<void> {
  const { status, headers } = await response;
  expect(status).toBe(429);
  const waitSeconds = Number(headers.get('Retry-After'));
  expect(Number.isInteger(waitSeconds)).toBe(true);
  expect(waitSeconds).toBeLessThanOrEqual(retryAfterSeconds);
  // Some of it may have passed on a busy machine.
  expect(waitSeconds).toBeGreaterThan(retryAfterSeconds - 20);
}

async function expectUnavailable(response: Promise<Response>): Promise<void> {
  const { status } = await response;
  expect([status, limitFields(await response)]).toEqual([503, { 'Retry-After': '1' }]);
}

describe.each(PLATFORMS)('While Redis is away on %s', (platform) => {
  const start = useApps();
  const startAway = async (options: RateLimitModuleOptions = {}): Promise<RunningApp> => {
    const running = await start(settings(platform, options));
    await goAway();
    return running;
  };

  it("'local' admits by the count of this process, without fields, and refuses with its wait", async () => {
    const { get } = await startAway();
    for (const path of ['/local', '/unsaid']) {
      for (let i = 0; i < 4; i++) await expectAdmittedWithoutFields(get(path));
      await expectRefused(get(path), TOKEN_SECONDS);
      await expectAdmittedWithoutFields(get(path, '203.0.113.2'));
    }
  });

  it('each of several instances gives out its share', async () => {
    const { get } = await startAway({ instances: 2 });
    for (let i = 0; i < 2; i++) await expectAdmittedWithoutFields(get('/local'));
    await expectRefused(get('/local'), 2 * TOKEN_SECONDS);
    // A limit that is smaller than the number of instances is one for each.
    const { get: getOther } = await startAway({ instances: 1000 });
    await expectAdmittedWithoutFields(getOther('/local'));
    await expectRefused(getOther('/local'), 1000 * TOKEN_SECONDS);
  });

  it("'allow' admits everything, without fields", async () => {
    const { get } = await startAway();
    for (let i = 0; i < 20; i++) await expectAdmittedWithoutFields(get('/allow'));
  });

  it("'deny' is a 503 with Retry-After", async () => {
    const { get } = await startAway();
    for (let i = 0; i < 3; i++) await expectUnavailable(get('/deny'));
    await expectUnavailable(get('/shared'));
    expect((await get('/open')).status).toBe(200);
  });

  it('the module says what limits do that do not say', async () => {
    const { get: allowing } = await startAway({ onStorageFailure: 'allow' });
    for (let i = 0; i < 6; i++) await expectAdmittedWithoutFields(allowing('/unsaid'));
    const { get: denying } = await startAway({ onStorageFailure: 'deny' });
    await expectUnavailable(denying('/unsaid'));
    for (const get of [allowing, denying]) {
      for (let i = 0; i < 4; i++) await expectAdmittedWithoutFields(get('/local'));
      await expectRefused(get('/local'), TOKEN_SECONDS);
      await expectUnavailable(get('/deny'));
      for (let i = 0; i < 6; i++) await expectAdmittedWithoutFields(get('/allow'));
    }
  });

  it('it says so for the default limit, too', async () => {
    const { get } = await startAway({ default: { capacity: 2, perSeconds: 3600, onStorageFailure: 'deny' } });
    await expectUnavailable(get('/open'));
  });

  it('of several limits of a route each has its say', async () => {
    const { get } = await startAway();
    for (let i = 0; i < 4; i++) await expectAdmittedWithoutFields(get('/local-and-allow'));
    await expectRefused(get('/local-and-allow'), TOKEN_SECONDS);
    for (let i = 0; i < 6; i++) await expectUnavailable(get('/local-and-deny'));
  });

  it('a refusal after authentication gives back what was counted before it', async () => {
    const { get } = await startAway();
    await expectAdmittedWithoutFields(get('/phases', '203.0.113.1', as('ann')));
    for (let i = 0; i < 6; i++) await expectRefused(get('/phases', '203.0.113.1', as('ann')), 3600);
    for (const name of ['ben', 'cid', 'dan']) {
      await expectAdmittedWithoutFields(get('/phases', '203.0.113.1', as(name)));
    }
    await expectRefused(get('/phases', '203.0.113.1', as('eve')), TOKEN_SECONDS);
  });

  it('code is told that the answer is one of this process', async () => {
    const { app } = await startAway({
      policies: { ...POLICIES, jobs: { capacity: 1, perSeconds: 60, usedInCode: true } },
    });
    const ask = async () => app.get(RateLimiter).consume({ policy: 'jobs', subject: 'user:1' });
    expect(await ask()).toMatchObject({ allowed: true, isWithoutStorage: true });
    expect(await ask()).toMatchObject({ allowed: false, isWithoutStorage: true });
  });
});

describe.each(PLATFORMS)('A Redis that comes back on %s', (platform) => {
  const start = useApps();

  it('has what was given out meanwhile charged, before it decides again', async () => {
    const { get } = await start(settings(platform, { instances: 2 }));
    expect(remaining(await get('/local'))).toBe(3);
    expect(remaining(await get('/allow'))).toBe(3);
    await goAway();
    for (let i = 0; i < 2; i++) await expectAdmittedWithoutFields(get('/local'));
    await expectRefused(get('/local'), 2 * TOKEN_SECONDS);
    for (let i = 0; i < 9; i++) await expectAdmittedWithoutFields(get('/allow'));
    await comeBack();
    // Four, less one before and two in the outage.
    expect(remaining(await get('/local'))).toBe(0);
    expect((await get('/local')).status).toBe(429);
    expect(remaining(await get('/allow'))).toBe(2);
    expect(remaining(await get('/local', '203.0.113.2'))).toBe(3);
  });

  it('is told of in one line per transition, however many requests there are, and in one call of the hook', async () => {
    const { get } = await start(settings(platform, {}));
    for (let outage = 0; outage < 2; outage++) {
      await goAway();
      await Promise.all(Array.from({ length: 60 }, (_, i) => get(['/local', '/allow', '/deny'][i % 3]!)));
      // Some attempts to connect fail, which is no news.
      const { connections } = proxy;
      await eventually(() => proxy.connections >= connections + 2);
      await comeBack();
      await get('/local');
    }
    const away = expect.stringMatching(
      /^RedisStorage: Redis is away \(.+\)\. Until it is back, every limit follows its onStorageFailure\.$/,
    ) as string;
    const back = 'RedisStorage: Redis is back.';
    expect(warnings).toEqual([away, back, away, back]);
    expect(changes.map(({ available }) => available)).toEqual([false, true, false, true]);
  });

  it('is a process that was stopped and started: limits go on, and it decides again', async () => {
    let redis: RedisServer = await startRedis();
    try {
      const { get } = await start(settings(platform, { storage: storageAt(redis.url) }));
      expect(remaining(await get('/local'))).toBe(3);
      await redis.stop();
      await eventually(() => changes.at(-1)?.available === false);
      for (let i = 0; i < 3; i++) await expectAdmittedWithoutFields(get('/local'));
      await expectUnavailable(get('/deny'));
      await expectAdmittedWithoutFields(get('/allow'));
      redis = await startRedis([], { port: redis.port });
      await eventually(() => changes.at(-1)?.available === true);
      // Its memory is gone, but not that of the outage.
      expect(remaining(await get('/local'))).toBe(0);
      expect(remaining(await get('/deny'))).toBe(3);
      expect(remaining(await get('/allow'))).toBe(3);
    } finally {
      await redis.stop();
    }
  });

  it('is one that was not there at the start', async () => {
    proxy.newcomers = 'reset';
    const { get } = await start(settings(platform, {}));
    for (let i = 0; i < 3; i++) await expectAdmittedWithoutFields(get('/local'));
    await comeBack();
    expect(remaining(await get('/local'))).toBe(0);
    expect(warnings).toEqual([
      expect.stringContaining('Starting without it and connecting in the background.') as string,
      'RedisStorage: Redis is back.',
    ]);
  });
});

describe('An application whose limits go on locally', () => {
  const start = useApps();
  const LINE =
    "log [RateLimit] While the storage cannot be asked, every instance gives out the whole of each limit that is 'local': " +
    'n instances admit up to n times as much. To share it out, say how many there are: RateLimitModule.forRoot({ instances }).';

  const ten = { capacity: 10, perSeconds: 60 };
  const linesOf = async (
    options: RateLimitModuleOptions,
    storage: RateLimitStorage = storageAt(proxy.url),
    controllers: AppSettings['controllers'] = [WorkController],
  ) => {
    const log = new KeptLog();
    const configure: AppSettings['configure'] = (app) => app.useLogger(log);
    await start({ ...settings('express', { ...options, storage }), controllers, configure });
    return log.of('RateLimit').filter((line) => line.includes('instance'));
  };
  const linesWithout = (options: RateLimitModuleOptions) =>
    linesOf({ policies: {}, ...options }, storageAt(proxy.url), [DenyingController]);

  it('says once at start that it does not know of how many instances', async () => {
    expect(await linesOf({})).toEqual([LINE]);
    expect(await linesOf({ onStorageFailure: 'local' })).toEqual([LINE]);
  });

  it('says so where a single limit goes on locally, wherever it is declared', async () => {
    const local = { ...ten, onStorageFailure: 'local' } as const;
    expect(await linesOf({ onStorageFailure: 'allow' })).toEqual([LINE]);
    expect(await linesOf({ onStorageFailure: 'deny' })).toEqual([LINE]);
    expect(await linesWithout({ onStorageFailure: 'deny', default: local })).toEqual([LINE]);
    const inCode = { jobs: { ...local, usedInCode: true } };
    expect(await linesWithout({ onStorageFailure: 'deny', policies: inCode })).toEqual([LINE]);
  });

  it('says so where nothing but code can make limits', async () => {
    const lines = (onStorageFailure: StorageFailureMode) =>
      linesOf({ policies: {}, onStorageFailure }, storageAt(proxy.url), []);
    expect([await lines('local'), await lines('deny')]).toEqual([[LINE], []]);
  });

  it('does not where it knows, where limits do not go on locally, or where the storage is memory', async () => {
    expect(await linesOf({ instances: 1 })).toEqual([]);
    expect(await linesOf({ instances: 12 })).toEqual([]);
    for (const onStorageFailure of ['local', 'allow', 'deny'] as const) {
      expect(await linesWithout({ onStorageFailure })).toEqual([]);
    }
    expect(await linesWithout({ default: { ...ten, onStorageFailure: 'allow' } })).toEqual([]);
    expect(await linesOf({}, makeStorage('memory'))).toEqual([]);
  });
});

describe('Options for outages that cannot mean anything', () => {
  const FOR_ROOT = 'RateLimitModule.forRoot';
  const ONE_OF = 'use one of "local", "allow", "deny"';
  const TEN = { capacity: 10, perSeconds: 60 };
  const modes = ['open', 'Local', '', true, false, null, 1, ['local'], {}] as const;
  const counts = [0, -1, 1.5, NaN, Infinity, '3', null, true, 1_000_001, [2]] as const;
  const shown = (value: unknown) => (typeof value === 'number' ? String(value) : JSON.stringify(value));

  const rows: MistakeRow[] = [
    ...modes.map((value): MistakeRow => [
      `onStorageFailure ${shown(value)} of the module`,
      loose({ onStorageFailure: value }),
      FOR_ROOT,
      `onStorageFailure is ${shown(value)}`,
      ONE_OF,
    ]),
    ...modes.map((value): MistakeRow => [
      `onStorageFailure ${shown(value)} of a route`,
      () => onMethod([RateLimit(10, 60, { onStorageFailure: value } as never)]),
      'Policy "default" (@RateLimit on ReportsController.list)',
      `onStorageFailure is ${shown(value)}`,
      ONE_OF,
    ]),
    [
      'onStorageFailure of the default limit',
      loose({ default: { ...TEN, onStorageFailure: 'closed' } }),
      `Policy "default" (${FOR_ROOT} default)`,
      'onStorageFailure is "closed"',
      ONE_OF,
    ],
    [
      'onStorageFailure of a shared policy',
      loose({ policies: { exports: { ...TEN, onStorageFailure: 'closed' } } }),
      `Policy "exports" (${FOR_ROOT} policies.exports)`,
      'onStorageFailure is "closed"',
      ONE_OF,
    ],
    [
      'onStorageFailure of a use of a shared policy',
      () => onMethod([RateLimit('exports', { onStorageFailure: 'deny' } as never)], { policies: { exports: TEN } }),
      '@RateLimit on ReportsController.list',
      '"onStorageFailure"',
      'the options are cost',
    ],
    ...counts.map((value): MistakeRow => [
      `instances ${shown(value)}`,
      loose({ instances: value }),
      FOR_ROOT,
      `instances is ${shown(value)}; expected an integer from 1 to 1000000`,
      'write how many instances share the storage, the most there can be, or leave it out',
    ]),
  ];
  it.each(rows)('refuses %s', expectMistake);

  it.each([1, 1_000_000, undefined])('takes instances %p', (instances) => {
    expect(() => RateLimitModule.forRoot({ instances })).not.toThrow();
  });
});
