import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { RateLimitConfigurationError } from '../../core/errors.js';
import { ip } from './ip.js';
import { requestPrototype } from './platform-request.js';
import { ForwardedHeaderWatch, type ProxyTrust, proxyTrust, trustOf, unlimitedTrustError } from './proxy-trust.js';
import type { HttpRequest } from './subject.js';

@Module({})
class AppModule {}

type TrustFunction = (address: string, hop: number) => boolean;
type Setting = boolean | number | string | string[] | TrustFunction | undefined;

const IPV4_WORLD = '0.0.0.0/1, 128.0.0.0/1';
const IPV6_WORLD = '::/1, 8000::/1';

/** Setting, what it means on Express, what on Fastify. */
const MATRIX: [string, Setting, ProxyTrust, ProxyTrust][] = [
  ['nothing', undefined, 'none', 'none'],
  ['false', false, 'none', 'none'],
  ['true', true, 'unlimited', 'unlimited'],
  ['no hop', 0, 'none', 'none'],
  // A number trusts nothing on Fastify since 5.12.1.
  ['1 hop', 1, 'limited', 'none'],
  ['5 hops', 5, 'limited', 'none'],
  ['loopback', 'loopback', 'limited', 'limited'],
  ['named networks', 'loopback, linklocal, uniquelocal', 'limited', 'limited'],
  ['a private network', '10.0.0.0/8', 'limited', 'limited'],
  ['a public network', '198.18.0.0/15', 'limited', 'limited'],
  ['one public address', ['93.184.216.34'], 'limited', 'limited'],
  ['a network for documentation', '203.0.113.0/24, 2001:db8::/32', 'limited', 'limited'],
  ['all addresses', `${IPV4_WORLD}, ${IPV6_WORLD}`, 'unlimited', 'unlimited'],
  ['all of IPv4', IPV4_WORLD, 'unlimited', 'unlimited'],
  ['all of IPv6', IPV6_WORLD, 'unlimited', 'unlimited'],
  ['a function for all', () => true, 'unlimited', 'unlimited'],
  ['a function for none', () => false, 'limited', 'limited'],
  ['a function for the first hop', (_address, hop) => hop === 0, 'limited', 'limited'],
  ['a function for a network', (address) => address.startsWith('10.'), 'limited', 'limited'],
  ['a function for a network it alone knows', (address) => address === '93.184.216.34', 'limited', 'limited'],
  [
    'a function that throws',
    () => {
      throw new Error('not now');
    },
    'unknown',
    'unknown',
  ],
];

async function expressApp(setting: Setting): Promise<INestApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule, new ExpressAdapter(), { logger: false });
  if (setting !== undefined) app.set('trust proxy', setting);
  return app;
}

function fastifyApp(setting: Setting): Promise<INestApplication> {
  const options = setting === undefined ? {} : { trustProxy: setting };
  const adapter = new FastifyAdapter(options as ConstructorParameters<typeof FastifyAdapter>[0]);
  return NestFactory.create(AppModule, adapter, { logger: false });
}

const PLATFORMS: [string, (setting: Setting) => Promise<INestApplication>, 2 | 3][] = [
  ['Express', expressApp, 2],
  ['Fastify', fastifyApp, 3],
];

describe.each(PLATFORMS)('proxyTrust on %s', (_platform, makeApp, column) => {
  it.each(MATRIX)('reads %s', async (...row) => {
    const app = await makeApp(row[1]);
    expect(proxyTrust(app.getHttpAdapter())).toBe(row[column]);
    await app.init();
    expect(proxyTrust(app.getHttpAdapter())).toBe(row[column]);
    await app.close();
  });
});

describe('proxyTrust elsewhere', () => {
  it.each([
    ['no adapter', undefined],
    ['no instance', { getInstance: () => undefined }],
    ['an unknown platform', { getInstance: () => ({ listen: () => {} }) }],
    ['a platform whose requests tell no address', { getInstance: () => ({ request: {} }) }],
  ])('admits not to know: %s', (_case, adapter) => {
    expect(proxyTrust(adapter)).toBe('unknown');
  });
});

/** Answers with what a real request shows: of the application's trust, and to the watch. */
async function probe(app: INestApplication, headers: Record<string, string>): Promise<Seen> {
  const seen: { trust?: ProxyTrust; ip?: string | undefined; warnings: string[] } = { warnings: [] };
  const watch = new ForwardedHeaderWatch((message) => seen.warnings.push(message));
  const adapter = app.getHttpAdapter();
  adapter.get('/probe', (request: HttpRequest, response: unknown) => {
    seen.trust = trustOf(request);
    seen.ip = request.ip;
    watch.check(request);
    watch.check(request);
    adapter.reply(response, '');
  });
  await app.listen(0, '127.0.0.1');
  const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
  await fetch(`${url}/probe`, { headers });
  await app.close();
  return seen;
}

/** A request as the platform of this application makes them. */
const requestOf = (app: INestApplication): HttpRequest =>
  Object.create(requestPrototype(app.getHttpAdapter().getInstance())!) as HttpRequest;

describe('trustOf', () => {
  it.each(PLATFORMS)('tries once, however many requests come (%s)', async (_platform, makeApp) => {
    const trusts = jest.fn(() => true);
    const app = await makeApp(trusts);
    await app.init();
    expect(trustOf(requestOf(app))).toBe('unlimited');
    trusts.mockClear();
    expect([trustOf(requestOf(app)), trustOf(requestOf(app))]).toEqual(['unlimited', 'unlimited']);
    expect(trusts).not.toHaveBeenCalled();
    await app.close();
  });

  it('tries again when the setting of Express is another one', async () => {
    const app = (await expressApp(undefined)) as NestExpressApplication;
    const seen = [undefined, true, 'loopback', () => true, false].map((setting) => {
      if (setting !== undefined) app.set('trust proxy', setting);
      return trustOf(requestOf(app));
    });
    expect(seen).toEqual(['none', 'unlimited', 'limited', 'unlimited', 'none']);
    await app.close();
  });

  it('keeps applications apart', async () => {
    const apps = [await expressApp(true), await expressApp(false), await fastifyApp(true), await fastifyApp(false)];
    expect(apps.map((app) => trustOf(requestOf(app)))).toEqual(['unlimited', 'none', 'unlimited', 'none']);
    await Promise.all(apps.map((app) => app.close()));
  });

  it.each<[string, object]>([
    ['an object of no class', Object.create(null) as object],
    ['a plain object', { ip: '203.0.113.7' }],
    ["Node's own, to which somebody gave an address", Object.assign(new IncomingMessage(new Socket()), { ip: '::1' })],
  ])('admits not to know of a request that no platform made: %s', (_case, request) => {
    expect(trustOf(request as HttpRequest)).toBe('unknown');
  });
});

interface Seen {
  readonly trust?: ProxyTrust;
  readonly ip?: string | undefined;
  readonly warnings: readonly string[];
}

describe.each(PLATFORMS)('a real request on %s', (platform, makeApp) => {
  const oneHop: Setting = platform === 'Express' ? 1 : (_address, hop) => hop === 0;
  const spoofed = { 'x-forwarded-for': '198.51.100.1, 203.0.113.7' };

  it.each<[string, Setting, ProxyTrust, string]>([
    ['nothing', undefined, 'none', '127.0.0.1'],
    ['true', true, 'unlimited', '198.51.100.1'],
    ['one hop', oneHop, 'limited', '203.0.113.7'],
    ['loopback', 'loopback', 'limited', '203.0.113.7'],
    ['another network', '10.0.0.0/8', 'limited', '127.0.0.1'],
  ])('shows the trust: %s', async (_case, setting, trust, address) => {
    const seen = await probe(await makeApp(setting), spoofed);
    expect(seen).toMatchObject({ trust, ip: address });
  });

  it.each<[string, Setting, Record<string, string>, string]>([
    [
      'X-Forwarded-For, nothing trusted',
      false,
      spoofed,
      '127.0.0.1 with X-Forwarded-For, but 127.0.0.1 is not a trusted',
    ],
    ['X-Forwarded-For, others trusted', '10.0.0.0/8', spoofed, '127.0.0.1 is not a trusted proxy'],
    ['Forwarded, nothing trusted', false, { forwarded: 'for=203.0.113.7' }, 'Forwarded, a header that neither'],
    ['Forwarded, the proxy trusted', 'loopback', { forwarded: 'for=203.0.113.7' }, 'Forwarded, a header that neither'],
  ])('is warned of once: %s', async (_case, setting, headers, message) => {
    const { warnings } = await probe(await makeApp(setting), headers);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(message);
    expect(warnings[0]).toMatch(/Remedy: .*Express: app\.set\('trust proxy'.*Fastify: new FastifyAdapter\(.*5\.12\.1/);
  });

  it.each<[string, Setting, Record<string, string>]>([
    ['no header', false, {}],
    ['the proxy is trusted', 'loopback', spoofed],
    ['everything is trusted', true, spoofed],
    ['the trusted proxy is the client', 'loopback', { 'x-forwarded-for': '127.0.0.1' }],
  ])('is not warned of: %s', async (_case, setting, headers) => {
    expect((await probe(await makeApp(setting), headers)).warnings).toEqual([]);
  });
});

describe('ForwardedHeaderWatch', () => {
  const forwarded = { 'x-forwarded-for': '203.0.113.7' };
  const direct = (headers: HttpRequest['headers'], ip = '10.0.0.5'): HttpRequest => {
    return { headers, ip, socket: { remoteAddress: '10.0.0.5' } };
  };

  function watched(...requests: HttpRequest[]): string[] {
    const warnings: string[] = [];
    const watch = new ForwardedHeaderWatch((message) => warnings.push(message));
    for (const request of requests) watch.check(request);
    return warnings;
  }

  it('warns once, however many requests come', () => {
    expect(watched(direct({}), direct(forwarded), direct(forwarded), direct({ forwarded: 'for=x' }))).toHaveLength(1);
  });

  it('is settled by a request that shows that the proxy is trusted', () => {
    expect(watched(direct(forwarded, '203.0.113.7'), direct(forwarded))).toEqual([]);
  });

  it('reads nothing of later requests once it is settled', () => {
    const watch = new ForwardedHeaderWatch(() => {});
    watch.check(direct(forwarded));
    const headers = jest.fn(() => forwarded);
    watch.check(Object.defineProperty({}, 'headers', { get: headers }) as HttpRequest);
    expect(headers).not.toHaveBeenCalled();
  });

  it('says nothing where the socket has no address', () => {
    expect(
      watched({ headers: forwarded, socket: {} }, { headers: forwarded, socket: null }, { headers: forwarded }),
    ).toEqual([]);
  });
});

describe('unlimitedTrustError', () => {
  it('names the limit, the setting, the remedy and the way out', () => {
    const error = unlimitedTrustError(ip().description, '@RateLimit on ReportsController.list');
    expect(error).toBeInstanceOf(RateLimitConfigurationError);
    expect(error.message).toMatch(/^@RateLimit on ReportsController\.list: ip\(\) goes by the client's address, but/);
    expect(error.message).toContain('trusts every proxy');
    expect(error.message).toContain("app.set('trust proxy', 'loopback, 10.0.0.0/8')");
    expect(error.message).toContain("new FastifyAdapter({ trustProxy: ['127.0.0.1', '10.0.0.0/8'] })");
    expect(error.message).toContain('ip({ trustAnyProxy: true })');
  });
});
