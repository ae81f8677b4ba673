import { setImmediate as turn } from 'node:timers/promises';
import { Controller, Get, Post, UseGuards } from '@nestjs/common';
import {
  clientLabel,
  header,
  RateLimit,
  type RateLimitDecisionEvent,
  RateLimitGuard,
  RateLimitModule,
  type RateLimitModuleOptions,
  type RateLimitStorageFailureEvent,
  StorageFailureError,
  user,
} from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import { freePort } from '../support/redis-server.mjs';
import { uniquePrefix } from '../support/redis-testing.js';
import type { Platform } from './support/app.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { KeptLog } from './support/logs.js';
import { as, SignInGuard } from './support/sign-in.js';

@Controller('reports')
@UseGuards(SignInGuard)
class ReportsController {
  @Get() @RateLimit(1, 3600) @UseGuards(RateLimitGuard) list(): string {
    return 'list';
  }

  @Get('phases') @RateLimit(4, 3600) @RateLimit(1, 3600, { name: 'mine', by: user() }) phases(): string {
    return 'phases';
  }

  @Post('key') @RateLimit(1, 3600, { by: header('x-api-key') }) key(): string {
    return 'key';
  }

  @Get('skipped') @RateLimit(1, 3600, { skipIf: () => true }) skipped(): string {
    return 'skipped';
  }

  @Get('late') @RateLimit(1, 3600, { by: () => Promise.resolve('tenant') }) late(): string {
    return 'late';
  }

  @Get('broken')
  @RateLimit(1, 3600, {
    by: () => {
      throw new Error('no tenant');
    },
  })
  broken(): string {
    return 'broken';
  }

  @Get('open') open(): string {
    return 'open';
  }
}

type Event = RateLimitDecisionEvent | RateLimitStorageFailureEvent;

/** Hooks that keep what they are told, as one line each. */
function keepEvents() {
  const lines: string[] = [];
  const events: Event[] = [];
  const hook = (name: string) => (event: Event) => {
    events.push(event);
    const said = event.decision?.policies.map(({ policy, allowed }) => `${policy.name}${allowed ? '' : '!'}`) ?? [];
    lines.push([name, event.route, event.client, ...said].join(' '));
  };
  const hooks = { onAllowed: hook('allowed'), onDenied: hook('denied'), onStorageFailure: hook('failure') };
  return { hooks, events, written: () => lines.splice(0) };
}

const ADDRESS = 'ip:203.0.113.1';

describe.each(LANES)('Hooks on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();
  const startReports = async (options: RateLimitModuleOptions, logger?: KeptLog) => {
    const imports = [RateLimitModule.forRoot({ storage: makeStorage(storage), instances: 1, ...options })];
    const configure =
      logger === undefined ? {} : { configure: (app: { useLogger(one: KeptLog): void }) => app.useLogger(logger) };
    return start({ platform, imports, controllers: [ReportsController], ...configure });
  };

  it('are told once of each request to a limited route, however often the guard is mounted', async () => {
    const { hooks, events, written } = keepEvents();
    const { get } = await startReports({ hooks });
    expect((await get('/reports')).status).toBe(200);
    expect(written()).toEqual([`allowed ReportsController.list ${ADDRESS} default`]);
    const { decision, context } = events[0]!;
    expect(decision).toMatchObject({ allowed: true, remaining: 0, isWithoutStorage: false });
    expect(context.getHandler().name).toBe('list');
    expect(context.getClass()).toBe(ReportsController);
    expect((await get('/reports')).status).toBe(429);
    expect(written()).toEqual([`denied ReportsController.list ${ADDRESS} default!`]);
    expect(events[1]!.decision?.retryAfterMs).toBeGreaterThan(3_000_000);
    await get('/reports/open');
    await get('/reports/skipped');
    expect(written()).toEqual([]);
  });

  it('are told of both phases together, when the last one has decided', async () => {
    const { hooks, written } = keepEvents();
    const { get } = await startReports({ hooks });
    expect((await get('/reports/phases', '203.0.113.1', as('forged'))).status).toBe(401);
    expect(written()).toEqual([]);
    const ada = clientLabel('user:ada');
    expect((await get('/reports/phases', '203.0.113.1', as('ada'))).status).toBe(200);
    expect(written()).toEqual([`allowed ReportsController.phases ${ada} default mine`]);
    expect((await get('/reports/phases', '203.0.113.1', as('ada'))).status).toBe(429);
    expect(written()).toEqual([`denied ReportsController.phases ${ada} default mine!`]);
    for (const name of ['bob', 'eve']) await get('/reports/phases', '203.0.113.1', as(name));
    written();
    expect((await get('/reports/phases', '203.0.113.1', as('joe'))).status).toBe(429);
    expect(written()).toEqual([`denied ReportsController.phases ${ADDRESS} default!`]);
  });

  it('never see what a client sent as its key, but for the decision', async () => {
    const { hooks, events, written } = keepEvents();
    const { get } = await startReports({ hooks });
    const init = { method: 'POST', headers: { 'X-Api-Key': 's3cret-key' } };
    for (let i = 0; i < 2; i++) await get('/reports/key', '203.0.113.1', init);
    const label = clientLabel('header:x-api-key:s3cret-key');
    expect(label).toMatch(/^header:x-api-key#[0-9a-f]{12}$/);
    expect(written()).toEqual([
      `allowed ReportsController.key ${label} default`,
      `denied ReportsController.key ${label} default!`,
    ]);
    const { context: _context, decision: _decision, ...rest } = events[0]!;
    expect(JSON.stringify(rest)).not.toContain('s3cret');
  });

  it('are not told of errors that are no answer of a limit', async () => {
    const { hooks, written } = keepEvents();
    const { get } = await startReports({ hooks });
    expect((await get('/reports/key', '203.0.113.1', { method: 'POST' })).status).toBe(400);
    expect((await get('/reports/broken')).status).toBe(500);
    expect(written()).toEqual([]);
  });

  it('are told of admitted requests by the guard where there is no interceptor', async () => {
    const { hooks, written } = keepEvents();
    const imports = [
      RateLimitModule.forRoot({ storage: makeStorage(storage), hooks, headers: { writtenBy: 'guard' } }),
    ];
    @Controller()
    class HomeController {
      @Get() @RateLimit(1, 3600) home(): string {
        return 'home';
      }
    }
    const { get } = await start({ platform, imports, controllers: [HomeController] });
    for (let i = 0; i < 2; i++) await get('/');
    expect(written()).toEqual([
      `allowed HomeController.home ${ADDRESS} default`,
      `denied HomeController.home ${ADDRESS} default!`,
    ]);
  });

  it.each([
    [
      'throw',
      () => {
        throw new Error('no database');
      },
    ],
    ['reject', () => Promise.reject(new Error('no database'))],
    ['never end', () => new Promise(() => {})],
  ])('that %s change no answer', async (how, hook) => {
    const log = new KeptLog();
    const hooks = { onAllowed: hook, onDenied: hook, onStorageFailure: hook };
    const { get } = await startReports({ hooks, logDenials: false }, log);
    const answers: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      const response = await get('/reports');
      answers.push([response.status, response.headers.get('RateLimit-Policy'), typeof (await response.text())]);
    }
    const policy = '"default";q=1;w=3600';
    expect(answers).toEqual([200, 429, 429, 429].map((status) => [status, policy, 'string']));
    await turn();
    const ending = 'failed: no database. No answer depends on it. This is said once.';
    const said = ['onAllowed', 'onDenied'].map((name) => `error [RateLimit] hooks.${name} ${ending}`);
    expect(log.of('RateLimit')).toEqual(how === 'never end' ? [] : said);
  });
});

describe.each(['express', 'fastify'] as const)('Hooks without Redis on %s', (platform: Platform) => {
  const start = useApps();
  const startWithout = async (options: RateLimitModuleOptions) => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const storage = new RedisStorage({ url, prefix: uniquePrefix(), logger: { warn: () => {} } });
    const imports = [RateLimitModule.forRoot({ storage, logDenials: false, ...options })];
    return start({ platform, imports, controllers: [ReportsController] });
  };

  it('are told of each request that is answered 503, with the error', async () => {
    const { hooks, events, written } = keepEvents();
    const { get } = await startWithout({ hooks, onStorageFailure: 'deny' });
    for (let i = 0; i < 2; i++) expect((await get('/reports')).status).toBe(503);
    expect((await get('/reports/late')).status).toBe(503);
    expect((await get('/reports/phases', '203.0.113.1', as('ada'))).status).toBe(503);
    expect(written()).toEqual([
      `failure ReportsController.list ${ADDRESS}`,
      `failure ReportsController.list ${ADDRESS}`,
      `failure ReportsController.late ${clientLabel('custom:tenant')}`,
      `failure ReportsController.phases ${ADDRESS}`,
    ]);
    for (const event of events) {
      expect(event.decision).toBeUndefined();
      expect((event as RateLimitStorageFailureEvent).error).toBeInstanceOf(StorageFailureError);
    }
  });

  it('are told of each request that is decided without the storage, and what was decided', async () => {
    const { hooks, events, written } = keepEvents();
    const { get } = await startWithout({ hooks });
    expect((await get('/reports')).status).toBe(200);
    expect((await get('/reports')).status).toBe(429);
    expect(written()).toEqual([
      `failure ReportsController.list ${ADDRESS} default`,
      `allowed ReportsController.list ${ADDRESS} default`,
      `failure ReportsController.list ${ADDRESS} default!`,
      `denied ReportsController.list ${ADDRESS} default!`,
    ]);
    for (const { decision } of events) expect(decision?.isWithoutStorage).toBe(true);
  });

  it('need not all be there', async () => {
    const { hooks, written } = keepEvents();
    const { get } = await startWithout({ hooks: { onStorageFailure: hooks.onStorageFailure } });
    for (let i = 0; i < 2; i++) await get('/reports');
    expect(written()).toHaveLength(2);
    const other = await startWithout({ hooks: { onDenied: hooks.onDenied } });
    for (let i = 0; i < 2; i++) await other.get('/reports');
    expect(written()).toEqual([`denied ReportsController.list ${ADDRESS} default!`]);
  });
});
