import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, Get, type INestApplication, Logger } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { everyone, ip, RateLimitConfigurationError, RateLimitModule, user } from 'nestjs-token-bucket';
import { admitted, stillStorage } from './support/admission.js';
import { type AppSettings, type Platform, PLATFORMS, startError } from './support/app.js';
import { useApps } from './support/lanes.js';

@Controller()
class HomeController {
  @Get()
  home(): string {
    return 'home';
  }
}

const limited = (options = {}): Pick<AppSettings, 'imports' | 'controllers'> => ({
  imports: [RateLimitModule.forRoot({ storage: stillStorage(), default: { capacity: 5, perSeconds: 60 }, ...options })],
  controllers: [HomeController],
});

const WHOLE_INTERNET = '0.0.0.0/1, 128.0.0.0/1, ::/1, 8000::/1';

describe.each(PLATFORMS)('Trust in proxies on %s', (platform) => {
  const start = useApps();

  it.each([true, WHOLE_INTERNET])('must not be unlimited where addresses are limited: %p', async (trust) => {
    const error = await startError({ platform, trust, ...limited() });
    expect(error).toBeInstanceOf(RateLimitConfigurationError);
    expect(error.message).toContain("ip() goes by the client's address, but the application trusts every proxy");
    expect(error.message).toContain('ip({ trustAnyProxy: true })');
  });

  it('must not be unlimited where strangers are limited by address', async () => {
    const error = await startError({ platform, trust: true, ...limited({ by: user() }) });
    expect(error).toBeInstanceOf(RateLimitConfigurationError);
  });

  it.each([
    ['it is accepted in so many words', ip({ trustAnyProxy: true })],
    ['no address is limited', everyone()],
    ['strangers are limited by something else', user({ anonymous: everyone() })],
  ])('may be unlimited where %s', async (_case, by) => {
    const app = await start({ platform, trust: true, ...limited({ by }) });
    expect(await admitted(app, '/', 6)).toBe(5);
  });

  it.each<[string | boolean, string]>([
    ['loopback', 'the client, as the proxy saw it'],
    ['10.0.0.0/8', 'the connection'],
    [false, 'the connection'],
  ])('set to %p cannot be evaded by what clients forward; limited is %s', async (trust) => {
    const app = await start({ platform, trust, ...limited() });
    let count = 0;
    for (let i = 0; i < 50; i++) {
      // What the client made up stands first; its address is added by the proxy.
      const { status } = await app.get('/', `198.51.100.${i}, 2001:db8::${i}, 203.0.113.7`);
      if (status === 200) count++;
    }
    expect(count).toBe(5);
  });

  it('in nobody is warned of once, when the first forwarded request comes', async () => {
    const warnings = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => {});
    try {
      const { get } = await start({ platform, trust: false, ...limited() });
      expect(warnings).not.toHaveBeenCalled();
      for (let i = 0; i < 3; i++) await get('/');
      expect(warnings.mock.calls).toEqual([
        [expect.stringContaining('127.0.0.1 with X-Forwarded-For, but 127.0.0.1 is not a trusted proxy')],
      ]);
    } finally {
      warnings.mockRestore();
    }
  });

  it('that is right is not warned of', async () => {
    const warnings = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => {});
    try {
      const { get } = await start({ platform, ...limited() });
      for (let i = 0; i < 3; i++) await get('/');
      expect(warnings).not.toHaveBeenCalled();
    } finally {
      warnings.mockRestore();
    }
  });
});

describe.each(PLATFORMS)('A Unix socket on %s', (platform) => {
  let folder: string;
  let app: INestApplication | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'socket-'));
  });
  afterEach(async () => {
    await app?.close();
    await rm(folder, { recursive: true });
  });

  it('has no address: requests are refused, not put into one bucket', async () => {
    app = await listen(platform, join(folder, 'app'), false);
    expect(await statusOver(join(folder, 'app'))).toBe(500);
  });

  it('works as the message advises: its one hop is trusted', async () => {
    app = await listen(platform, join(folder, 'app'), true);
    const statuses: (number | undefined)[] = [];
    for (let i = 0; i < 6; i++) statuses.push(await statusOver(join(folder, 'app')));
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
  });
});

async function listen(platform: Platform, path: string, trustOneHop: boolean): Promise<INestApplication> {
  const module = await Test.createTestingModule(limited()).compile();
  const trustProxy = trustOneHop && ((_address: string, hop: number) => hop === 0);
  const app =
    platform === 'express'
      ? module.createNestApplication(new ExpressAdapter(), { logger: false })
      : module.createNestApplication(new FastifyAdapter({ trustProxy }), { logger: false });
  if (platform === 'express') app.getHttpAdapter().getInstance().set('trust proxy', Number(trustOneHop));
  await app.listen(path);
  return app;
}

function statusOver(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'X-Forwarded-For': '198.51.100.1, 203.0.113.7' };
    const sent = request({ socketPath, path: '/', headers, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    sent.on('error', reject);
    sent.end();
  });
}
