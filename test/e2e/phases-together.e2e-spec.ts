import {
  type CanActivate,
  type CallHandler,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import {
  type Decision,
  MemoryStorage,
  RateLimit,
  RateLimitDecision,
  RateLimiter,
  RateLimitModule,
  type RateLimitStorage,
  user,
} from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import type { Observable } from 'rxjs';
import { PLATFORMS, type Platform, type RunningApp } from './support/app.js';
import { limitFields, members } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { as, SignInGuard } from './support/sign-in.js';

/** Counts what gets past the limits. */
const calls = { handler: 0, interceptor: 0 };

@Controller()
class AccountController {
  @Get()
  @RateLimit('perAddress')
  @RateLimit('perUser')
  account(@RateLimitDecision() decision: Decision): object {
    calls.handler++;
    return {
      allowed: decision.allowed,
      policies: decision.policies.map(({ policy, subject, remaining }) => [policy.name, subject, remaining]),
    };
  }

  @Get('open')
  open(@RateLimitDecision() decision: Decision | undefined): string {
    return decision === undefined ? 'no decision' : 'a decision';
  }
}

@Injectable()
class CountingInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    calls.interceptor++;
    return next.handle();
  }
}

const HOME = '203.0.113.1';
const POLICIES = {
  perAddress: { capacity: 5, perSeconds: 3600 },
  perUser: { capacity: 2, perSeconds: 3600, by: user() },
};

/** What is left for the next request of an address or a user. */
async function left({ app }: RunningApp, policy: keyof typeof POLICIES, subject: string): Promise<number> {
  return (await app.get(RateLimiter).peek({ policy, subject })).remaining;
}

describe.each(LANES)('An address before and a user after authentication on $platform with $storage', (lane) => {
  const start = useApps();
  const startAccount = () => startWith(start, lane.platform, makeStorage(lane.storage));

  beforeEach(() => {
    SignInGuard.asked = 0;
    calls.handler = 0;
    calls.interceptor = 0;
  });

  it('are one decision in the fields', async () => {
    const { get } = await startAccount();
    const response = await get('/', HOME, as('ada'));
    expect(members(response, 'RateLimit-Policy')).toEqual({
      perAddress: { q: 5, w: 3600 },
      perUser: { q: 2, w: 3600 },
    });
    expect(members(response, 'RateLimit')).toEqual({ perAddress: { r: 4, t: 2880 }, perUser: { r: 1, t: 1800 } });
    expect(limitFields(response)).toMatchObject({ 'X-RateLimit-Limit': '2', 'X-RateLimit-Remaining': '1' });
  });

  it('are one decision for the handler', async () => {
    const { get } = await startAccount();
    await get('/', HOME, as('ada'));
    expect(await (await get('/', HOME, as('ada'))).json()).toEqual({
      allowed: true,
      policies: [
        ['perAddress', `ip:${HOME}`, 3],
        ['perUser', 'user:ada', 0],
      ],
    });
    expect(await (await get('/open', HOME)).text()).toBe('no decision');
  });

  it('refuse the address before authentication is asked, and the user pays nothing', async () => {
    const app = await startAccount();
    for (let i = 0; i < 5; i++) expect((await app.get('/', HOME, as('forged'))).status).toBe(401);
    expect(SignInGuard.asked).toBe(5);
    const refused = await app.get('/', HOME, as('ada'));
    expect(refused.status).toBe(429);
    expect(SignInGuard.asked).toBe(5);
    expect(Object.keys(members(refused, 'RateLimit'))).toEqual(['perAddress']);
    expect(await left(app, 'perUser', 'user:ada')).toBe(2);
  });

  it('refuse the user after authentication, before other interceptors and the handler', async () => {
    const { get } = await startAccount();
    for (let i = 0; i < 2; i++) await get('/', HOME, as('ada'));
    const refused = await get('/', HOME, as('ada'));
    expect(refused.status).toBe(429);
    expect(SignInGuard.asked).toBe(3);
    expect(calls).toEqual({ handler: 2, interceptor: 2 });
    expect(members(refused, 'RateLimit-Policy')).toEqual({
      perAddress: { q: 5, w: 3600 },
      perUser: { q: 2, w: 3600 },
    });
    expect(Object.keys(members(refused, 'RateLimit'))).toEqual(['perUser']);
    expect(limitFields(refused)).toMatchObject({ 'X-RateLimit-Limit': '2', 'X-RateLimit-Remaining': '0' });
    expect(refused.headers.get('Cache-Control')).toBe('no-store');
    expect(await refused.json()).toMatchObject({ statusCode: 429 });
  });

  it('give back what the address paid whenever the user is refused', async () => {
    const app = await startAccount();
    for (let i = 0; i < 2; i++) await app.get('/', HOME, as('ada'));
    expect(await left(app, 'perAddress', `ip:${HOME}`)).toBe(3);
    for (let i = 0; i < 10; i++) expect((await app.get('/', HOME, as('ada'))).status).toBe(429);
    expect(await left(app, 'perAddress', `ip:${HOME}`)).toBe(3);
    expect((await app.get('/', HOME, as('bob'))).status).toBe(200);
  });
});

describe.each(PLATFORMS)('What is given back to an address on %s', (platform) => {
  const start = useApps();

  it('is exactly what it paid when no time passed', async () => {
    const app = await startWith(start, platform, makeStorage('memory'));
    for (let i = 0; i < 2; i++) await app.get('/', HOME, as('ada'));
    const peek = () => app.app.get(RateLimiter).peek({ policy: 'perAddress', subject: `ip:${HOME}` });
    const before = (await peek()).resetAfterMs;
    expect((await app.get('/', HOME, as('ada'))).status).toBe(429);
    expect(before).toBe(2 * 720_000);
    expect((await peek()).resetAfterMs).toBe(before);
  });

  it('has decayed by the time that authentication took', async () => {
    const clock = new ManualClock();

    @Injectable()
    class SlowGuard implements CanActivate {
      canActivate(): boolean {
        clock.advanceMs(20_000);
        return true;
      }
    }

    const app = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: new MemoryStorage({ clock }), policies: POLICIES })],
      controllers: [AccountController],
      providers: [
        { provide: APP_GUARD, useClass: SignInGuard },
        { provide: APP_GUARD, useClass: SlowGuard },
      ],
    });
    const resetAfterMs = async () =>
      (await app.app.get(RateLimiter).peek({ policy: 'perAddress', subject: `ip:${HOME}` })).resetAfterMs;
    for (let i = 0; i < 2; i++) await app.get('/', HOME, as('ada'));
    const before = await resetAfterMs();
    expect((await app.get('/', HOME, as('ada'))).status).toBe(429);
    // Of 720 s that the token is worth 20 s had refilled by themselves, and the bucket was never so full as without it.
    expect(await resetAfterMs()).toBe(before);
  });
});

function startWith(start: ReturnType<typeof useApps>, platform: Platform, storage: RateLimitStorage) {
  return start({
    platform,
    imports: [RateLimitModule.forRoot({ storage, policies: POLICIES })],
    controllers: [AccountController],
    providers: [
      { provide: APP_GUARD, useClass: SignInGuard },
      { provide: APP_INTERCEPTOR, useClass: CountingInterceptor },
    ],
  });
}
