import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Controller, Get, Post, VersioningType } from '@nestjs/common';
import {
  MemoryStorage,
  RATE_LIMIT_HEADERS,
  RateLimit,
  RateLimitModule,
  type RateLimitStorage,
  SkipRateLimit,
} from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { deleteUnder, keysUnder, plainClient, redisUrl, uniquePrefix } from '../support/redis-testing.js';
import { limitFields, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';

@Controller('pages')
class PagesController {
  @Get()
  list(): string {
    return 'list';
  }

  @Post()
  create(): string {
    return 'created';
  }

  @Get('one')
  @RateLimit(5, 3600)
  one(): string {
    return 'one';
  }

  @Get('health')
  @SkipRateLimit()
  health(): string {
    return 'well';
  }
}

describe.each(LANES)('What is charged on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();
  const startPages = (configure?: Parameters<typeof start>[0]['configure']) =>
    start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage), default: { capacity: 4, perSeconds: 3600 } })],
      controllers: [PagesController],
      ...(configure && { configure }),
    });

  it('every method: HEAD as much as GET, which it is routed to', async () => {
    const { get } = await startPages();
    const head = await get('/pages', '203.0.113.1', { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe('');
    expect(remaining(head)).toBe(3);
    expect(remaining(await get('/pages'))).toBe(2);
    expect(remaining(await get('/pages', '203.0.113.1', { method: 'POST' }))).toBe(1);
    await get('/pages', '203.0.113.1', { method: 'HEAD' });
    const refused = await get('/pages', '203.0.113.1', { method: 'HEAD' });
    expect(refused.status).toBe(429);
    expect(limitFields(refused)).toHaveProperty('Retry-After');
  });

  it('not OPTIONS, neither without nor with CORS', async () => {
    for (const configure of [undefined, (app: { enableCors(): void }) => app.enableCors()]) {
      const { get } = await startPages(configure);
      for (let i = 0; i < 6; i++) {
        const options = await get('/pages', '203.0.113.1', {
          method: 'OPTIONS',
          headers: { Origin: 'https://page.example', 'Access-Control-Request-Method': 'GET' },
        });
        expect(options.status).not.toBe(429);
        expect(limitFields(options)).toEqual({});
      }
      expect(remaining(await get('/pages'))).toBe(3);
    }
  });

  it('not what no route matches', async () => {
    const { get } = await startPages();
    for (let i = 0; i < 6; i++) {
      const missing = await get('/nowhere');
      expect(missing.status).toBe(404);
      expect(limitFields(missing)).toEqual({});
    }
    expect(remaining(await get('/pages'))).toBe(3);
  });

  it('not a route that skips its limits', async () => {
    const { get } = await startPages();
    for (let i = 0; i < 6; i++) {
      const health = await get('/pages/health');
      expect(health.status).toBe(200);
      expect(limitFields(health)).toEqual({});
    }
    expect(remaining(await get('/pages'))).toBe(3);
  });

  it('routes under a global prefix and a version like all others', async () => {
    const { get } = await startPages((app) => {
      app.setGlobalPrefix('api');
      app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
    });
    expect(limitFields(await get('/pages'))).toEqual({});
    expect(remaining(await get('/api/v1/pages'))).toBe(3);
    expect(remaining(await get('/api/v1/pages/one'))).toBe(4);
  });

  it('shows scripts of another origin the fields that enableCors was told of, on refusals too', async () => {
    const origin = 'https://page.example';
    const { get } = await startPages((app) => app.enableCors({ origin, exposedHeaders: RATE_LIMIT_HEADERS }));
    const ask = () => get('/pages', '203.0.113.1', { headers: { Origin: origin } });
    const admitted = await ask();
    for (let i = 0; i < 3; i++) await ask();
    const refused = await ask();
    expect([admitted.status, refused.status]).toEqual([200, 429]);
    for (const response of [admitted, refused]) {
      expect(response.headers.get('Access-Control-Allow-Origin')).toBe(origin);
      const exposed = response.headers.get('Access-Control-Expose-Headers')?.split(/, ?/) ?? [];
      expect(exposed).toEqual(expect.arrayContaining(Object.keys(limitFields(response))));
    }
    const preflight = await get('/pages', '203.0.113.2', {
      method: 'OPTIONS',
      headers: { Origin: origin, 'Access-Control-Request-Method': 'GET' },
    });
    expect(preflight.status).toBe(204);
    expect(limitFields(preflight)).toEqual({});
  });
});

describe.each(LANES)('Many clients on $platform with $storage', ({ platform, storage: kind }) => {
  const start = useApps();
  const prefix = uniquePrefix();
  // Looks behind the storage's back; it connects only where there is something to look for.
  const plain = plainClient({ lazyConnect: true });
  afterAll(async () => {
    if (kind === 'redis') await deleteUnder(plain, prefix);
    plain.disconnect();
  });

  /** An empty storage, and how many buckets it keeps. */
  function countable(): readonly [RateLimitStorage, () => Promise<number>] {
    if (kind === 'memory') {
      const storage = new MemoryStorage({ clock: new ManualClock() });
      return [storage, () => Promise.resolve(storage.size)];
    }
    const storage = new RedisStorage({ url: redisUrl(), prefix, deadlineMs: 10_000 });
    // A set, because a scan may come by the same key twice.
    return [storage, async () => new Set(await keysUnder(plain, prefix)).size];
  }

  it('are ten thousand buckets, and nobody is refused for the others', async () => {
    const [storage, bucketCount] = countable();
    const { url, get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage, default: { capacity: 1, perSeconds: 3600 } })],
      controllers: [PagesController],
    });
    const clients = Array.from({ length: 10_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    const statuses = await statusesFor(`${url}/pages`, clients);
    expect(statuses).toEqual(new Map([['200', 10_000]]));
    expect(await bucketCount()).toBe(10_000);
    expect((await get('/pages', clients[5000])).status).toBe(429);
  });
});

/** How often each status came, of one request per client. Pipelined, because ten thousand round trips take long. */
async function statusesFor(url: string, clients: readonly string[]): Promise<Map<string, number>> {
  const { host, hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const requests = clients.map((client, i) =>
    [
      `GET ${pathname} HTTP/1.1`,
      `Host: ${host}`,
      `X-Forwarded-For: ${client}`,
      `Connection: ${i === clients.length - 1 ? 'close' : 'keep-alive'}`,
      '\r\n',
    ].join('\r\n'),
  );
  socket.write(requests.join(''));
  const statuses = new Map<string, number>();
  for (const [, status = ''] of (await text(socket)).matchAll(/HTTP\/1\.1 (\d{3})/g)) {
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  return statuses;
}
