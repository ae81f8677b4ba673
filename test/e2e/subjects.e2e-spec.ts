import { Controller, type ExecutionContext, Get } from '@nestjs/common';
import {
  afterAuthentication,
  everyone,
  firstOf,
  header,
  ip,
  RateLimit,
  RateLimitModule,
  user,
} from 'nestjs-token-bucket';
import { admitted, stillStorage } from './support/admission.js';
import { PLATFORMS } from './support/app.js';
import { useApps } from './support/lanes.js';
import { KeptLog } from './support/logs.js';
import { as, SignInGuard } from './support/sign-in.js';

/** Who signed in, as an application keeps it; known only after its guards. */
function tenantOf(context: ExecutionContext): string | undefined {
  return context.switchToHttp().getRequest<{ user?: { tenant?: string } }>().user?.tenant;
}

const settings = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers['x-region'];

@Controller()
class SubjectsController {
  @Get('address')
  @RateLimit(3, 60)
  address(): string {
    return 'address';
  }

  @Get('home-network')
  @RateLimit(3, 60, { by: ip({ ipv6Prefix: 56 }) })
  homeNetwork(): string {
    return 'home network';
  }

  @Get('user')
  @RateLimit(3, 60, { by: user() })
  user(): string {
    return 'user';
  }

  @Get('user-without-id')
  @RateLimit(3, 60, { by: user({ id: () => undefined }) })
  userWithoutId(): string {
    return 'user';
  }

  @Get('key')
  @RateLimit(3, 60, { by: header('X-Api-Key') })
  key(): string {
    return 'key';
  }

  @Get('key-or-address')
  @RateLimit(3, 60, { by: firstOf(header('X-Api-Key'), ip()) })
  keyOrAddress(): string {
    return 'key or address';
  }

  @Get('everyone')
  @RateLimit(3, 60, { by: everyone() })
  everyone(): string {
    return 'everyone';
  }

  @Get('region')
  @RateLimit(3, 60, { by: settings })
  region(): string {
    return 'region';
  }

  @Get('region-later')
  @RateLimit(3, 60, { by: (context) => Promise.resolve(settings(context)) })
  regionLater(): string {
    return 'region';
  }

  @Get('tenant')
  @RateLimit(3, 60, { by: afterAuthentication(tenantOf) })
  tenant(): string {
    return 'tenant';
  }

  @Get('tenant-too-early')
  @RateLimit(3, 60, { by: tenantOf })
  tenantTooEarly(): string {
    return 'tenant';
  }
}

describe.each(PLATFORMS)('Subjects on %s', (platform) => {
  const startApp = useApps();
  const start = async () => {
    const log = new KeptLog();
    const app = await startApp({
      platform,
      imports: [RateLimitModule.forRoot({ storage: stillStorage() })],
      controllers: [SubjectsController],
      providers: [SignInGuard],
      configure: (nest) => nest.useGlobalGuards(new SignInGuard()).useLogger(log),
    });
    return { ...app, log };
  };

  it('ip() tells addresses apart, and knows one in every spelling', async () => {
    const app = await start();
    expect(await admitted(app, '/address', 2, '203.0.113.7')).toBe(2);
    expect(await admitted(app, '/address', 2, '::ffff:203.0.113.7')).toBe(1);
    expect(await admitted(app, '/address', 2, '64:ff9b::cb00:7107')).toBe(0);
    expect(await admitted(app, '/address', 4, '203.0.113.8')).toBe(3);
  });

  it('ip() counts an IPv6 client by its block, from wherever in it the requests come', async () => {
    const app = await start();
    let count = 0;
    for (let host = 0; host < 50; host++) count += await admitted(app, '/address', 1, `2001:db8:1:2:${host}::1`);
    expect(count).toBe(3);
    expect(await admitted(app, '/address', 4, '2001:db8:1:3::1')).toBe(3);
    expect(await admitted(app, '/home-network', 4, '2001:db8:1:2::1')).toBe(3);
    expect(await admitted(app, '/home-network', 4, '2001:db8:1:ff::1')).toBe(0);
  });

  it.each(['/address', '/user'])('what is forwarded and is no address is a 400 that nobody logs: %s', async (path) => {
    const { get, log } = await start();
    for (const client of ['unknown', 'x', '203.0.113.300', '_hidden', '203.0.113.1, <script>']) {
      const refusal = await get(path, client);
      expect([client, refusal.status]).toEqual([client, 400]);
      expect(await refusal.json()).toMatchObject({
        message: 'The forwarded client address (X-Forwarded-For) is no IP address; requests are limited by it.',
      });
    }
    expect(log.of('ExceptionsHandler')).toEqual([]);
    expect((await get(path)).headers.get('RateLimit')).toContain('r=2');
  });

  it('user() knows a user behind every address, and strangers by theirs', async () => {
    const { get } = await start();
    const status = async (client: string, id?: string) => (await get('/user', client, id ? as(id) : {})).status;
    for (let i = 0; i < 3; i++) expect(await status(`203.0.113.${i}`, 'ada')).toBe(200);
    expect(await status('203.0.113.9', 'ada')).toBe(429);
    expect(await status('203.0.113.9', 'bob')).toBe(200);
    for (let i = 0; i < 3; i++) expect(await status('203.0.113.9')).toBe(200);
    expect(await status('203.0.113.9')).toBe(429);
    expect(await status('203.0.113.10')).toBe(200);
  });

  it('user() never takes a known user for a stranger', async () => {
    const { get } = await start();
    expect((await get('/user-without-id', undefined, as('ada'))).status).toBe(500);
  });

  it('header() tells its values apart, and answers 400 without one', async () => {
    const { get } = await start();
    const status = async (key?: string) => {
      return (await get('/key', undefined, key === undefined ? {} : { headers: { 'X-Api-Key': key } })).status;
    };
    for (let i = 0; i < 3; i++) expect(await status('k1')).toBe(200);
    expect(await status('k1')).toBe(429);
    expect(await status('k2')).toBe(200);
    expect(await status('')).toBe(400);
    const refusal = await get('/key');
    expect(refusal.status).toBe(400);
    expect(await refusal.json()).toMatchObject({
      message: 'Header "X-Api-Key" is missing; requests are limited by it.',
    });
  });

  it('firstOf() goes from one to the next', async () => {
    const { get } = await start();
    const withKey = { headers: { 'X-Api-Key': 'k1' } };
    for (let i = 0; i < 3; i++) expect((await get('/key-or-address', `203.0.113.${i}`, withKey)).status).toBe(200);
    expect((await get('/key-or-address', undefined, withKey)).status).toBe(429);
    expect((await get('/key-or-address')).status).toBe(200);
  });

  it('everyone() is one bucket for all', async () => {
    const app = await start();
    let count = 0;
    for (let i = 0; i < 9; i++) count += await admitted(app, '/everyone', 1, `203.0.113.${i}`);
    expect(count).toBe(3);
  });

  it.each(['/region', '/region-later'])('functions say who is limited: %s', async (path) => {
    const { get } = await start();
    const status = async (region: string) => (await get(path, undefined, { headers: { 'X-Region': region } })).status;
    for (let i = 0; i < 3; i++) expect(await status('eu')).toBe(200);
    expect(await status('eu')).toBe(429);
    expect(await status('us')).toBe(200);
    expect((await get(path)).status).toBe(500);
    expect(await status('')).toBe(500);
  });

  it('afterAuthentication() asks when the user is known, a bare function before', async () => {
    const { get } = await start();
    const status = async (path: string, id: string) => (await get(path, undefined, as(id))).status;
    for (let i = 0; i < 3; i++) expect(await status('/tenant', `user${i}@acme`)).toBe(200);
    expect(await status('/tenant', 'other@acme')).toBe(429);
    expect(await status('/tenant', 'ada@initech')).toBe(200);
    expect(await status('/tenant-too-early', 'ada@initech')).toBe(500);
  });
});
