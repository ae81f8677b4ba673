import { Controller, Get, type Type } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { RateLimit, RateLimitConfigurationError, RateLimitModule, SkipRateLimit } from 'nestjs-token-bucket';
import {
  type AppOptions,
  as,
  asController,
  closeApps,
  HomeController,
  type RunningApp,
  startApp,
} from './support/application.js';
import { blocksOf, blockWith, tableRows } from './support/markdown.js';
import { blocksNotRun, runWith } from './support/run-block.js';

const GUIDE = 'docs/coming-from-throttler.md';
afterEach(closeApps);

@RateLimit(1, 60)
class OneAMinute {}

/** An application with the three throttlers of the guide. */
async function startSeveral(...controllers: readonly Type[]): Promise<RunningApp> {
  const { modules } = await runWith(blockWith("default: '3/second", GUIDE));
  return startApp({ modules }, { controllers });
}

const policiesOf = async (app: RunningApp, path: string, headers?: Record<string, string>): Promise<unknown> =>
  (await app.get(path, headers)).headers['ratelimit-policy'];

const ALL_THREE = '"default.second";q=3;w=1, "default.10-seconds";q=20;w=10, "default.minute";q=100;w=60';

describe('Whoever comes from @nestjs/throttler', () => {
  it('has the limits that the first example says', async () => {
    const { exports } = await runWith(blocksOf(GUIDE)[0]!);
    const app = await startApp({ modules: [] }, { root: exports['AppModule'] });
    const policy = async (method: 'get' | 'post', path: string) =>
      (await app[method](path)).headers['ratelimit-policy'];
    expect(await policy('get', '/reports')).toBe('"default";q=10;w=60');
    expect(await policy('post', '/reports')).toBe('"default";q=3;w=60');
    expect(await policy('get', '/reports/health')).toBeUndefined();
  });

  it('finds three throttlers again, and states all of them where one is replaced or skipped', async () => {
    const { exports } = await runWith(blockWith("@RateLimit('20 per 10 seconds')", GUIDE));
    const app = await startSeveral(exports['ReportsController']!, HomeController);
    expect(await policiesOf(app, '/')).toBe(ALL_THREE);
    expect(await policiesOf(app, '/reports')).toBe(ALL_THREE);
    expect(await policiesOf(app, '/reports/large')).toBe(ALL_THREE.replace('q=100', 'q=500'));
    expect(await policiesOf(app, '/reports/burst')).toBe('"default";q=20;w=10');
    expect(await policiesOf(app, '/reports/health')).toBeUndefined();
    // Two of the module's three are gone; the method's are its own.
    expect(await app.admitted('/')).toBe(1);
    expect(await app.admitted('/reports')).toBe(0);
    expect(await app.admitted('/reports/large')).toBe(2);
    expect(await app.admitted('/reports/burst')).toBe(19);
    expect(await app.admitted('/reports/health')).toBe(Infinity);
  });

  it.each([['short'], ['long'], ['default.second']])('cannot skip %s by itself', async (name) => {
    @Controller()
    @SkipRateLimit(name)
    class SkippingController {
      @Get() home(): void {}
    }
    await expect(startSeveral(SkippingController)).rejects.toThrow(RateLimitConfigurationError);
  });

  it('adds a limit where a name is given that no limit has', async () => {
    @Controller()
    class LongController {
      @Get() @RateLimit(500, 60, { name: 'long' }) home(): void {}
    }
    expect(await policiesOf(await startSeveral(LongController), '/')).toBe(`${ALL_THREE}, "long";q=500;w=60`);
  });

  it('has limits with names of their own, each of which is replaced and skipped by itself', async () => {
    const { modules, exports } = await runWith(blockWith('class Limited', GUIDE));
    const app = await startApp({ modules }, { controllers: [exports['ReportsController']!, HomeController] });
    const ada = as({ id: 'ada' });
    expect(await policiesOf(app, '/', ada)).toBe('"short";q=3;w=1');
    expect(await policiesOf(app, '/reports', ada)).toBe('"short";q=3;w=1, "long";q=100;w=60');
    expect(await policiesOf(app, '/reports/large', ada)).toBe('"short";q=3;w=1, "long";q=500;w=60');
    expect(await policiesOf(app, '/reports/burst', ada)).toBe('"long";q=100;w=60');
    expect(await app.admitted('/reports', ada)).toBe(0);
    expect(await app.admitted('/reports/burst', ada)).toBe(98);
    expect(await app.admitted('/reports/burst', as({ id: 'eve' }))).toBe(100);
    app.clock.advanceMs(1000);
    expect(await policiesOf(app, '/reports/export', ada)).toBe('"short";q=3;w=1');
    expect(await app.admitted('/reports/export', ada)).toBe(2);
  });

  it('has windows', async () => {
    const { exports } = await runWith(blockWith('sliding-window-log', GUIDE));
    const app = await startApp({ modules: [] }, { controllers: [exports['ReportsController']!] });
    const written = async (): Promise<number> => {
      for (let count = 0; ; count++) if ((await app.post('/reports')).status === 429) return count;
    };
    app.clock.advanceMs(59_000);
    expect([await app.admitted('/reports'), await written()]).toEqual([10, 10]);
    app.clock.advanceMs(1000);
    expect([await app.admitted('/reports'), await written()]).toEqual([0, 10]);
    app.clock.advanceMs(59_000);
    expect([await app.admitted('/reports'), await written()]).toEqual([10, 0]);
  });

  it('has numbers that depend on the request', async () => {
    const { exports } = await runWith(blockWith("startsWith('/reports/large')", GUIDE));
    const controllers = [asController('reports{/:size}', exports['ReportsController'])];
    const app = await startApp({ modules: [] }, { controllers });
    const policy = async (path: string) => (await app.get(path)).headers['ratelimit-policy'];
    expect([await policy('/reports'), await policy('/reports/large')]).toEqual([
      '"default";q=50;w=60',
      '"default";q=5;w=60',
    ]);
  });

  it('has requests that do not count', async () => {
    const { modules } = await runWith(blockWith('/monitoring/', GUIDE));
    const app = await startApp({ modules }, { controllers: [HomeController] });
    expect(await app.admitted('/')).toBe(10);
    expect((await app.get('/', { 'user-agent': 'monitoring 1.0' })).status).toBe(200);
  });

  it.each([
    ['one more every 6 s after 10 at once: a bucket', {}, 19],
    ['no more than 10: a sliding window log', { algorithm: 'sliding-window-log' }, 10],
  ] as const)('sees in the minute after a pause %s', async (_kind, how, most) => {
    const modules = [RateLimitModule.forRoot({ default: { capacity: 10, perSeconds: 60, ...how } })];
    const app = await startApp({ modules }, { controllers: [HomeController] });
    expect(await app.admitted('/')).toBe(10);
    app.clock.advanceMs(59_999.999);
    expect(await app.admitted('/')).toBe(most - 10);
  });

  it('can leave clients the fields and the body that they know', async () => {
    const { modules } = await runWith(blockWith('ThrottlerException', GUIDE));
    const controllers = [asController('reports', OneAMinute)];
    const app = await startApp({ modules }, { controllers });
    const admitted = await app.get('/reports');
    expect(admitted.headers).toMatchObject({
      'x-ratelimit-limit': '1',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '60',
    });
    expect(admitted.headers).not.toHaveProperty('ratelimit');
    const refused = await app.get('/reports');
    expect(refused.headers).toMatchObject({ 'retry-after': '60', 'x-ratelimit-reset': '60' });
    expect(refused.body).toEqual({ statusCode: 429, message: 'ThrottlerException: Too Many Requests' });
  });

  it('reads a guide that was run as a whole by the tests above', () => expect(blocksNotRun(GUIDE)).toEqual([]));
});

/** What the table of decorators says of one: the first decorator in the second column. */
function mappingOf(there: string): string {
  const row = tableRows(GUIDE, 'there').find(([cell]) => cell === `\`${there}\``);
  const decorator = /`(@(?:Skip)?RateLimit\(.*?\))`/.exec(row?.[1] ?? '')?.[1];
  if (decorator === undefined) throw new Error(`${GUIDE}: no decorator stands in the row of ${there}.`);
  return decorator;
}

/** A controller of `GET /mapped` with decorators on its class and on its method. */
async function mapped(onMethod: string, onClass = ''): Promise<Type> {
  const code = `${onClass}\n@Controller('mapped')\nexport class Mapped {\n  ${onMethod}\n  @Get() read() {}\n}`;
  const given = { Controller, Get, SkipRateLimit, capacity: 5, perSeconds: 60 };
  return (await runWith({ file: GUIDE, line: 0, code }, { given })).exports['Mapped']!;
}

describe('The table of decorators', () => {
  const OF_ONE = [
    ['@Throttle({ default: { limit, ttl } })', '', '"default";q=5;w=60', 5],
    ['@SkipThrottle()', '', undefined, Infinity],
    ['@SkipThrottle({ default: false })', '@SkipRateLimit()', '"default";q=5;w=60', 5],
  ] as const;
  const OF_SEVERAL = [
    ['@Throttle({ long: { limit: 500, ttl: 60_000 } })', ALL_THREE.replace('q=100', 'q=500'), 3],
    ['@SkipThrottle({ short: true, long: true })', '"default";q=20;w=10', 20],
    ['@SkipThrottle({ short: true, medium: true, long: true })', undefined, Infinity],
  ] as const;

  it.each(OF_ONE)('is right about %s where there is one throttler', async (there, onClass, policies, admitted) => {
    const modules = [RateLimitModule.forRoot({ default: { capacity: 10, perSeconds: 60 } })];
    const controllers = [await mapped(mappingOf(there), onClass), HomeController];
    const app = await startApp({ modules }, { controllers });
    expect(await app.admitted('/')).toBe(10);
    expect(await app.admitted('/mapped')).toBe(admitted);
    expect(await policiesOf(app, '/mapped')).toBe(policies);
  });

  it.each(OF_SEVERAL)('is right about %s where there are several', async (there, policies, admitted) => {
    for (const [onMethod, onClass] of [
      [mappingOf(there), ''],
      ['', mappingOf(there)],
    ] as const) {
      const app = await startSeveral(await mapped(onMethod, onClass), HomeController);
      expect(await app.admitted('/')).toBe(3);
      expect(await app.admitted('/mapped')).toBe(admitted);
      expect(await policiesOf(app, '/mapped')).toBe(policies);
    }
  });

  it('has no other decorator that the tests above do not start', () => {
    const decorators = tableRows(GUIDE, 'there')
      .map(([cell]) => cell!)
      .filter((cell) => /^`@(Skip)?Throttle\(.*\)`$/.test(cell));
    expect(decorators).toEqual(expect.arrayContaining([...OF_ONE, ...OF_SEVERAL].map(([there]) => `\`${there}\``)));
    expect(decorators).toHaveLength(OF_ONE.length + OF_SEVERAL.length);
  });
});

describe('The tables of options', () => {
  /** A module with the first option that a row names in its second column. */
  async function moduleOf(table: string, there: string): Promise<RunningApp> {
    const row = tableRows(GUIDE, table).find(([cell]) => cell!.startsWith(`\`${there}`));
    const option = /`(\w+: .*?)`/.exec(row?.[1] ?? '')?.[1];
    if (option === undefined) throw new Error(`${GUIDE}: no option stands in the row of ${there}.`);
    const code = `RateLimitModule.forRoot({ default: '1/minute', ${option} });`;
    const { modules } = await runWith({ file: GUIDE, line: 0, code });
    const prepare: AppOptions['prepare'] = (app) => (app as NestExpressApplication).set('trust proxy', 'loopback');
    return startApp({ modules }, { controllers: [HomeController], prepare });
  }

  it('have fields that are not written', async () => {
    const app = await moduleOf('of a throttler', 'setHeaders: false');
    const [admitted, refused] = [await app.get('/'), await app.get('/')];
    expect([admitted.status, refused.status]).toEqual([200, 429]);
    const fields = [admitted, refused].flatMap(({ headers }) => Object.keys(headers));
    expect(fields.filter((name) => /ratelimit|retry/.test(name))).toEqual([]);
  });

  it('have blocks of addresses', async () => {
    const app = await moduleOf('of the module', 'ipv6SubnetPrefix');
    const from = async (address: string) => (await app.get('/', { 'x-forwarded-for': address })).status;
    expect(await from('2001:db8:1:200::1')).toBe(200);
    expect(await from('2001:db8:1:2ff::1')).toBe(429);
    expect(await from('2001:db8:1:300::1')).toBe(200);
  });
});

/** Everything that @nestjs/throttler 6.7.1 exports to be written or called, and every option of it. */
const THROTTLER = {
  'of a throttler': [
    ...['name', 'limit', 'ttl', 'blockDuration', 'ignoreUserAgents', 'skipIf', 'getTracker', 'generateKey'],
    'setHeaders',
  ],
  'of the module': [
    ...['throttlers', 'storage', 'ignoreUserAgents', 'skipIf', 'getTracker', 'generateKey', 'errorMessage'],
    ...['ipv6SubnetPrefix', 'setHeaders'],
    ...['forRootAsync', 'imports', 'inject', 'useFactory', 'useClass', 'useExisting'],
    ...['seconds', 'minutes', 'hours', 'days', 'weeks'],
  ],
  there: [
    ...['@Throttle', '@SkipThrottle', '@InjectThrottlerOptions', '@InjectThrottlerStorage'],
    // Options of @Throttle; of `limit` and `ttl` the first row has an example.
    ...['limit', 'ttl', 'blockDuration', 'getTracker', 'generateKey'],
    ...['ThrottlerGuard', 'ThrottlerException', 'ThrottlerLimitDetail', 'normalizeIp'],
    ...['ThrottlerModuleOptions', 'ThrottlerAsyncOptions', 'ThrottlerOptionsFactory'],
    ...['ThrottlerStorage', 'increment', 'ThrottlerStorageService', 'getOptionsToken', 'getStorageToken'],
    // What guards that extend ThrottlerGuard may override.
    ...['shouldSkip', 'handleRequest', 'getRequestResponse', 'setResponseHeader', 'headerPrefix'],
    ...['getErrorMessage', 'throwThrottlingException'],
  ],
};

describe('Of all that @nestjs/throttler has', () => {
  it.each(Object.entries(THROTTLER))('the guide has a row for what is "%s"', (table, names) => {
    const cells = tableRows(GUIDE, table).map(([cell]) => cell!);
    const isIn = (name: string): boolean => {
      const asWord = new RegExp(`(?<![\\w@])${name}(?!\\w)`);
      return cells.some((cell) => (cell.match(/`[^`]*`/g) ?? []).some((code) => asWord.test(code)));
    };
    expect(names.filter((name) => !isIn(name))).toEqual([]);
  });
});
