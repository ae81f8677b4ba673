import {
  type CallHandler,
  Controller,
  type ExecutionContext,
  Get,
  type NestInterceptor,
  type Provider,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import {
  afterAuthentication,
  RateLimit,
  RateLimitGuard,
  RateLimitInterceptor,
  RateLimitModule,
  user,
} from 'nestjs-token-bucket';
import { type Observable, retry } from 'rxjs';
import { members, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { as, SignInGuard } from './support/sign-in.js';

function tenant(context: ExecutionContext): string | undefined {
  return context.switchToHttp().getRequest<{ user?: { tenant?: string } }>().user?.tenant;
}

@Controller()
class MineController {
  @Get('mine')
  @RateLimit(2, 3600, { by: user() })
  mine(): string {
    return 'mine';
  }

  @Get('ours')
  @RateLimit(2, 3600, { by: afterAuthentication(tenant) })
  ours(): string {
    return 'ours';
  }
}

class TryAgain implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(retry(2));
  }
}

@Controller()
@UseGuards(SignInGuard)
class GuardedController extends MineController {}

const GUARDED: [how: string, controller: typeof MineController, providers: Provider[]][] = [
  ['a global guard', MineController, [{ provide: APP_GUARD, useClass: SignInGuard }]],
  ["the controller's guard", GuardedController, []],
];

const HOME = '203.0.113.1';
const OFFICE = '203.0.113.2';

describe.each(LANES)('Limits by user on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();

  describe.each(GUARDED)('whom %s signs in', (_how, controller, providers) => {
    const startMine = () =>
      start({
        platform,
        imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
        controllers: [controller],
        providers,
      });

    it('follow the user from address to address', async () => {
      const { get } = await startMine();
      expect(members(await get('/mine', HOME, as('ada')), 'RateLimit')).toEqual({ default: { r: 1, t: 1800 } });
      expect(remaining(await get('/mine', OFFICE, as('ada')))).toBe(0);
      const refused = await get('/mine', HOME, as('ada'));
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(1700);
    });

    it('hold for whoever tries again in an interceptor around ours', async () => {
      const { get } = await start({
        platform,
        imports: [RateLimitModule.forRoot({ storage: makeStorage(storage), global: false })],
        controllers: [controller],
        providers: [
          { provide: APP_GUARD, useExisting: RateLimitGuard },
          ...providers,
          { provide: APP_INTERCEPTOR, useClass: TryAgain },
          { provide: APP_INTERCEPTOR, useExisting: RateLimitInterceptor },
        ],
      });
      const statuses: number[] = [];
      for (let i = 0; i < 4; i++) statuses.push((await get('/mine', HOME, as('ada'))).status);
      expect(statuses).toEqual([200, 200, 429, 429]);
    });

    it('keep users of one address apart', async () => {
      const { get } = await startMine();
      for (let i = 0; i < 3; i++) await get('/mine', HOME, as('ada'));
      expect(remaining(await get('/mine', HOME, as('bob')))).toBe(1);
    });

    it('go by address for those who are nobody', async () => {
      const { get } = await startMine();
      expect(remaining(await get('/mine', HOME))).toBe(1);
      expect(remaining(await get('/mine', HOME))).toBe(0);
      expect((await get('/mine', HOME)).status).toBe(429);
      expect(remaining(await get('/mine', OFFICE))).toBe(1);
      expect(remaining(await get('/mine', HOME, as('ada')))).toBe(1);
    });

    it('can be by anything that authentication leaves behind', async () => {
      const { get } = await startMine();
      expect(remaining(await get('/ours', HOME, as('ada@blue')))).toBe(1);
      expect(remaining(await get('/ours', HOME, as('bob@blue')))).toBe(0);
      expect((await get('/ours', HOME, as('eve@blue'))).status).toBe(429);
      expect(remaining(await get('/ours', HOME, as('eve@red')))).toBe(1);
    });

    it('charge nobody when authentication fails', async () => {
      const { get } = await startMine();
      for (let i = 0; i < 4; i++) expect((await get('/mine', HOME, as('forged'))).status).toBe(401);
      expect(remaining(await get('/mine', HOME))).toBe(1);
    });
  });

  it("can be every route's default", async () => {
    const { get } = await start({
      platform,
      imports: [
        RateLimitModule.forRoot({
          storage: makeStorage(storage),
          default: { capacity: 2, perSeconds: 3600 },
          by: user(),
        }),
      ],
      controllers: [PlainController],
      providers: [{ provide: APP_GUARD, useClass: SignInGuard }],
    });
    expect(remaining(await get('/one', HOME, as('ada')))).toBe(1);
    expect(remaining(await get('/two', OFFICE, as('ada')))).toBe(0);
    expect((await get('/one', HOME, as('ada'))).status).toBe(429);
    expect(remaining(await get('/one', HOME, as('bob')))).toBe(1);
  });
});

@Controller()
class PlainController {
  @Get('one')
  one(): string {
    return 'one';
  }

  @Get('two')
  two(): string {
    return 'two';
  }
}
