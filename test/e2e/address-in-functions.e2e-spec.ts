import { Controller, type ExecutionContext, Get, type INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  type AddressPredicate,
  afterAuthentication,
  everyone,
  firstOf,
  fromAddresses,
  header,
  type HttpRequest,
  ip,
  RateLimitModule,
  type RateLimitModuleOptions,
  type Subject,
  type SubjectFunction,
  type SubjectResolver,
  user,
} from 'nestjs-token-bucket';
import { stillStorage } from './support/admission.js';
import { type Platform, PLATFORMS, type RunningApp } from './support/app.js';
import { useApps } from './support/lanes.js';
import { KeptLog } from './support/logs.js';

let handled = 0;
beforeEach(() => (handled = 0));

@Controller()
class HomeController {
  @Get()
  home(): string {
    handled++;
    return 'home';
  }
}

const INSIDE = '10.6.6.6';
const OUTSIDE = '203.0.113.7';
const requestOf = (context: ExecutionContext) => context.switchToHttp().getRequest<HttpRequest>();
const isHealth = (context: ExecutionContext): boolean => requestOf(context).headers['x-health'] !== undefined;

/** Limits of one request, of which addresses inside have more: nobody sees at start that they go by address. */
const RULES: readonly [string, (inside: AddressPredicate) => RateLimitModuleOptions][] = [
  [
    'a rule made of two',
    (inside) => ({ default: '1/hour', skipIf: (context) => inside(context) || isHealth(context) }),
  ],
  [
    'a rule that answers later',
    (inside) => ({ default: '1/hour', skipIf: async (context) => (await Promise.resolve(false)) || inside(context) }),
  ],
  [
    'a rule of a limit',
    (inside) => ({ default: { capacity: 1, perSeconds: 3600, skipIf: (context) => inside(context) } }),
  ],
  [
    'a tier',
    (inside) => ({
      default: { tiers: { in: 'unlimited', out: '1/hour' }, tier: (context) => (inside(context) ? 'in' : 'out') },
    }),
  ],
  ['numbers', (inside) => ({ default: (context) => (inside(context) ? 'unlimited' : '1/hour') })],
  [
    'a cost',
    (inside) => ({ default: { capacity: 2, perSeconds: 3600, cost: (context) => (inside(context) ? 1 : 2) } }),
  ],
];

/** Every address has a bucket of its own, by ways that do not say so. */
const SUBJECTS: readonly [string, (address: SubjectFunction, resolver: SubjectResolver) => Subject][] = [
  ['a function', (address) => address],
  ['a function that answers later', (address) => async (context) => address(context)],
  ['a function after authentication', (address) => afterAuthentication(address)],
  ['a function behind another subject', (address) => firstOf(header('x-api-key'), address)],
  ['a function for strangers', (address) => user({ anonymous: address })],
  [
    'a resolver that does not say by what it goes',
    (_address, resolver) => ({
      phase: 'guard',
      description: 'mine()',
      usesAddress: false,
      resolve: (context, request) => resolver.resolve(context, request),
    }),
  ],
];

const subjectOptions = (make: (typeof SUBJECTS)[number][1], resolver: SubjectResolver): RateLimitModuleOptions => ({
  default: '1/hour',
  by: make((context) => resolver.resolve(context, requestOf(context)), resolver),
});

const start = useApps();

async function startLogged(
  platform: Platform,
  trust: string | boolean,
  options: RateLimitModuleOptions,
): Promise<RunningApp & { readonly log: KeptLog }> {
  const log = new KeptLog();
  const app = await start({
    platform,
    trust,
    imports: [RateLimitModule.forRoot({ storage: stillStorage(), by: everyone(), ...options })],
    controllers: [HomeController],
    configure: (made: INestApplication) => made.useLogger(log),
  });
  return { ...app, log };
}

const statuses = async (app: RunningApp, client: string): Promise<readonly number[]> => [
  (await app.get('/', client)).status,
  (await app.get('/', client)).status,
];

async function expectRefused(app: RunningApp & { readonly log: KeptLog }, description: string): Promise<void> {
  expect([...(await statuses(app, INSIDE)), ...(await statuses(app, OUTSIDE))]).toEqual([500, 500, 500, 500]);
  // Nobody forwarded this one; but who deploys it is to hear of it as early as can be.
  expect((await fetch(app.url)).status).toBe(500);
  expect(handled).toBe(0);
  const told = app.log.of('ExceptionsHandler');
  expect(told).toHaveLength(5);
  for (const line of told) {
    expect(line).toContain(
      `HomeController.home: ${description} goes by the client's address, but the application trusts every proxy`,
    );
    expect(line).toMatch(/Remedy: trust only your own proxies .*fromAddresses\(\[…\], \{ trustAnyProxy: true \}\)/);
  }
}

describe.each(PLATFORMS)('An address that a function of the application asks for on %s', (platform) => {
  it.each(RULES)('lets nobody choose where every proxy is believed: %s', async (_case, options) => {
    const app = await startLogged(platform, true, options(fromAddresses('10.0.0.0/8')));
    await expectRefused(app, 'fromAddresses("10.0.0.0/8")');
  });

  it.each(RULES)('is that of the client where its proxies are named: %s', async (_case, options) => {
    const app = await startLogged(platform, 'loopback', options(fromAddresses('10.0.0.0/8')));
    expect(await statuses(app, OUTSIDE)).toEqual([200, 429]);
    // What the client made up stands before what the proxy added.
    expect((await app.get('/', `${INSIDE}, ${OUTSIDE}`)).status).toBe(429);
  });

  it.each(RULES)('may be believed in so many words: %s', async (_case, options) => {
    const app = await startLogged(platform, true, options(fromAddresses(['10.0.0.0/8'], { trustAnyProxy: true })));
    expect(await statuses(app, INSIDE)).toEqual([200, 200]);
  });

  it.each(SUBJECTS)('is no new bucket where every proxy is believed: %s', async (_case, make) => {
    await expectRefused(await startLogged(platform, true, subjectOptions(make, ip())), 'ip()');
  });

  it.each(SUBJECTS)('has a bucket where its proxies are named: %s', async (_case, make) => {
    const app = await startLogged(platform, 'loopback', subjectOptions(make, ip()));
    expect(await statuses(app, OUTSIDE)).toEqual([200, 429]);
    expect(await statuses(app, INSIDE)).toEqual([200, 429]);
  });

  it.each(SUBJECTS)('has a bucket where every proxy is believed in so many words: %s', async (_case, make) => {
    const app = await startLogged(platform, true, subjectOptions(make, ip({ trustAnyProxy: true })));
    expect(await statuses(app, OUTSIDE)).toEqual([200, 429]);
    expect(await statuses(app, INSIDE)).toEqual([200, 429]);
  });

  it('gives nothing back to whoever makes one up', async () => {
    const inside = fromAddresses('10.0.0.0/8');
    const refundIf = (_outcome: unknown, context: ExecutionContext) => inside(context);
    const limit = { capacity: 1, perSeconds: 3600, refundIf };
    const app = await startLogged(platform, true, { default: limit });
    expect(await statuses(app, INSIDE)).toEqual([200, 429]);
    expect(app.log.of('RateLimit')).toContainEqual(expect.stringContaining('trusts every proxy'));
  });
});

describe('Proxies that Express is told of while it runs', () => {
  const inside = fromAddresses('10.0.0.0/8');

  it.each<[string, RateLimitModuleOptions]>([
    ['a function', { skipIf: (context) => inside(context) || isHealth(context) }],
    ['a rule that says by what it goes', { skipIf: inside }],
    ['ip()', { by: ip() }],
  ])('count from then on for %s', async (_case, options) => {
    const app = await startLogged('express', 'loopback', { default: '10/hour', ...options });
    const trust = (setting: unknown) => (app.app as NestExpressApplication).set('trust proxy', setting);
    expect(await statuses(app, INSIDE)).toEqual([200, 200]);
    trust(true);
    expect(await statuses(app, INSIDE)).toEqual([500, 500]);
    trust(['127.0.0.1']);
    expect(await statuses(app, INSIDE)).toEqual([200, 200]);
  });
});
