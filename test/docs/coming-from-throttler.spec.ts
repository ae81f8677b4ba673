import { RateLimit, RateLimitModule } from 'nestjs-token-bucket';
import { asController, closeApps, HomeController, startApp } from './support/application.js';
import { blocksOf, blockWith } from './support/markdown.js';
import { blocksNotRun, runWith } from './support/run-block.js';

const GUIDE = 'docs/coming-from-throttler.md';
afterEach(closeApps);

@RateLimit(1, 60)
class OneAMinute {}

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

  it('finds three throttlers again as three policies of these names, until a nearer limit replaces them', async () => {
    const { modules } = await runWith(blockWith("default: '3/second", GUIDE));
    const { exports } = await runWith(blockWith('class UsersController', GUIDE));
    const controllers = [HomeController, asController('users', exports['UsersController'])];
    const app = await startApp({ modules }, { controllers });
    expect((await app.get('/')).headers['ratelimit-policy']).toBe(
      '"default.second";q=3;w=1, "default.10-seconds";q=20;w=10, "default.minute";q=100;w=60',
    );
    expect((await app.get('/users')).headers['ratelimit-policy']).toBe(
      '"default.second";q=5;w=1, "default.10-seconds";q=30;w=10',
    );
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
