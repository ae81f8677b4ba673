import type { NestExpressApplication } from '@nestjs/platform-express';
import { RateLimitModule } from 'nestjs-token-bucket';
import { as, asController, closeApps, HomeController, startApp } from './support/application.js';
import { blockWith } from './support/markdown.js';
import { blocksNotRun, runWith } from './support/run-block.js';

const FILE = 'docs/subjects.md';
afterEach(closeApps);

const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

describe('docs/subjects.md', () => {
  it('has a subject for the module, and another one for a limit', async () => {
    const { modules, exports } = await runWith(blockWith('by: firstOf(', FILE));
    const app = await startApp(
      { modules },
      { controllers: [asController('reports', exports['ReportsController']), HomeController] },
    );
    const left = async (headers: Record<string, string>) =>
      (await app.get('/reports', headers)).headers['x-ratelimit-remaining'];
    expect([await left(as({ id: 1 })), await left(as({ id: 1 })), await left(as({ id: 2 }))]).toEqual([
      '999',
      '998',
      '999',
    ]);
  });

  it('gives back to a user what the limit by address took, and nothing to a stranger', async () => {
    const { exports } = await runWith(blockWith("name: 'address'", FILE));
    const controllers = [asController('reports', exports['ReportsController'])];
    const app = await startApp({ modules: [] }, { controllers });
    /** What is left of the address' 20 after somebody has used up the 100 of an hour, and is refused once more. */
    const leftOfAddress = async (who: Record<string, string>) => {
      let admitted = 20;
      while (admitted === 20) {
        app.clock.advanceMs(60_000);
        admitted = await app.admitted('/reports', who);
      }
      const { ratelimit } = (await app.get('/reports', as({ id: 'eve' }))).headers;
      return Number(/^"address";r=(\d+)/.exec(ratelimit!)![1]) + 1 + admitted;
    };
    expect(await leftOfAddress(as({ id: 'ada' }))).toBe(20);
    expect(await leftOfAddress({})).toBe(19);
  });

  it('names users by what the application says, and has one bucket for all strangers', async () => {
    const { modules } = await runWith(blockWith('anonymous: everyone()', FILE));
    const app = await startApp(
      { modules },
      {
        controllers: [HomeController],
        prepare: (made) => (made as NestExpressApplication).set('trust proxy', 'loopback'),
      },
    );
    const left = async (headers: Record<string, string>) =>
      Number((await app.get('/', headers)).headers['x-ratelimit-remaining']);
    const ada = { email: 'ada@example.org' };
    expect([await left(as({ ...ada, id: 1 })), await left(as({ ...ada, id: 2 }))]).toEqual([999, 998]);
    expect(await left(as({ email: 'eve@example.org' }))).toBe(999);
    expect([await left(from('203.0.113.7')), await left(from('203.0.113.8'))]).toEqual([999, 998]);
  });

  it('counts log-ins by the /56', async () => {
    const { exports } = await runWith(blockWith('ipv6Prefix: 56', FILE));
    const app = await startApp(
      { modules: [] },
      {
        controllers: [asController('login', exports['LoginController'])],
        prepare: (made) => (made as NestExpressApplication).set('trust proxy', 'loopback'),
      },
    );
    expect(await app.admitted('/login', from('2001:db8:1:200::1'))).toBe(5);
    expect(await app.admitted('/login', from('2001:db8:1:2ff::1'))).toBe(0);
    expect(await app.admitted('/login', from('2001:db8:1:300::1'))).toBe(5);
  });

  it.each([FILE, 'README.md'])('says which proxies to believe, as in %s', async (file) => {
    const app = await startApp(
      { modules: [RateLimitModule.forRoot({ default: '100/minute' })] },
      {
        controllers: [HomeController],
        prepare: async (made) => runWith(blockWith("app.set('trust proxy'", file), { given: { app: made } }),
      },
    );
    const left = async (address: string) => (await app.get('/', from(address))).headers['x-ratelimit-remaining'];
    expect([await left('203.0.113.8'), await left('203.0.113.8'), await left('203.0.113.9')]).toEqual([
      '99',
      '98',
      '99',
    ]);
  });

  it('goes on where every proxy is believed on purpose', async () => {
    const { modules } = await runWith(blockWith('by: ip({ trustAnyProxy: true })', FILE));
    const app = await startApp(
      { modules },
      { controllers: [HomeController], prepare: (made) => (made as NestExpressApplication).set('trust proxy', true) },
    );
    expect((await app.get('/', from('203.0.113.7'))).headers).toMatchObject({ 'x-ratelimit-remaining': '99' });
    expect((await app.get('/', from('10.1.2.3'))).headers).not.toHaveProperty('ratelimit');
  });

  it('lets some addresses through', async () => {
    const { modules } = await runWith(blockWith("'203.0.113.7'), // or", FILE));
    const app = await startApp(
      { modules },
      {
        controllers: [HomeController],
        prepare: (made) => (made as NestExpressApplication).set('trust proxy', 'loopback'),
      },
    );
    const isLimited = async (address: string) => 'ratelimit' in (await app.get('/', from(address))).headers;
    expect(await Promise.all(['10.1.2.3', '2001:db8::1', '203.0.113.7'].map(isLimited))).toEqual([false, false, false]);
    expect(await isLimited('203.0.113.8')).toBe(true);
  });

  it('asks a function, before or after authentication', async () => {
    const { exports } = await runWith(blockWith('by: afterAuthentication(', FILE));
    const app = await startApp(
      { modules: [] },
      { controllers: [asController('invoices', exports['InvoicesController'])] },
    );
    const state = async (host: string, company: string) =>
      (await app.get('/invoices', { host, ...as({ company }) })).headers['ratelimit'];
    expect(await state('one.example', 'acme')).toMatch(/^"host";r=99;t=\d+, "company";r=999;/);
    expect(await state('two.example', 'acme')).toMatch(/^"host";r=99;t=\d+, "company";r=998;/);
    expect(await state('two.example', 'other')).toMatch(/^"host";r=98;t=\d+, "company";r=999;/);
  });

  it("has a subject of one's own, which says what becomes of nobody", async () => {
    const { exports } = await runWith(blockWith('function tenant()', FILE));
    const app = await startApp({ modules: [] }, { controllers: [exports['BillsController']!] });
    const ask = async (host: string) => {
      const { status, headers, body } = await app.get('/bills', { host });
      return [status, headers['x-ratelimit-remaining'] ?? body.message];
    };
    expect(await ask('acme.example.org')).toEqual([200, '99']);
    expect(await ask('acme.example.org')).toEqual([200, '98']);
    expect(await ask('other.example.org')).toEqual([200, '99']);
    expect(await ask('example.org')).toEqual([400, 'The host is no tenant.']);
  });

  it('was run as a whole by the tests above', () => expect(blocksNotRun(FILE)).toEqual([]));
});
