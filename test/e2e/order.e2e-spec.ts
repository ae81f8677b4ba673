import {
  type CallHandler,
  type CanActivate,
  Controller,
  type DynamicModule,
  type ExecutionContext,
  Get,
  Global,
  Injectable,
  Module,
  type ModuleMetadata,
  type NestInterceptor,
  type Provider,
  Scope,
  UnauthorizedException,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { RateLimitModule, type RateLimitOptionsFactory } from 'nestjs-token-bucket';
import { type Observable, of } from 'rxjs';
import { remaining } from './support/fields.js';
import { LANES, makeStorage, type StorageKind, useApps } from './support/lanes.js';

@Controller()
class PageController {
  @Get()
  page(): string {
    return 'fresh';
  }
}

/** Authentication that nobody passes, as somebody who guesses passwords meets it. */
@Injectable()
class NobodyGuard implements CanActivate {
  canActivate(): boolean {
    throw new UnauthorizedException();
  }
}

/** Answers without the handler. */
@Injectable()
class CacheInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, _next: CallHandler): Observable<string> {
    return of('cached');
  }
}

const GUARD: Provider = { provide: APP_GUARD, useClass: NobodyGuard };
const REQUEST_GUARD: Provider = { ...GUARD, scope: Scope.REQUEST };
const INTERCEPTOR: Provider = { provide: APP_INTERCEPTOR, useClass: CacheInterceptor };
const REQUEST_INTERCEPTOR: Provider = { ...INTERCEPTOR, scope: Scope.REQUEST };

@Module({})
class OtherModule {}

@Global()
@Module({})
class OtherGlobalModule {}

const options = (kind: StorageKind) => ({
  storage: makeStorage(kind),
  default: { capacity: 2, perSeconds: 3600 },
});
const limits = (kind: StorageKind): DynamicModule => RateLimitModule.forRoot(options(kind));
const holding = (provider: Provider): DynamicModule => ({ module: OtherModule, providers: [provider] });

/** Where another guard or interceptor may be declared. */
const PLACES: readonly [string, (provider: Provider, limits: DynamicModule) => ModuleMetadata][] = [
  ['in the root module', (provider, limits) => ({ imports: [limits], providers: [provider] })],
  ['in a module imported before', (provider, limits) => ({ imports: [holding(provider), limits] })],
  ['in a module imported after', (provider, limits) => ({ imports: [limits, holding(provider)] })],
  [
    'in a global module imported before',
    (provider, limits) => ({ imports: [{ ...holding(provider), module: OtherGlobalModule }, limits] }),
  ],
  [
    'in a module that imports the limits itself',
    (provider, limits) => ({ imports: [{ ...holding(provider), imports: [limits] }] }),
  ],
];

@Injectable()
class SlowOptions implements RateLimitOptionsFactory {
  static kind: StorageKind;

  async createRateLimitOptions() {
    await oneTurn();
    return options(SlowOptions.kind);
  }
}

/** As long as nothing else would take to start. */
async function oneTurn(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
}

describe.each(LANES)('Order on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();

  const statusesOf = async (settings: Parameters<typeof start>[0]): Promise<number[]> => {
    const { get } = await start({ platform, controllers: [PageController], ...settings });
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await get('/')).status);
    return statuses;
  };

  const expectFieldsOnCached = async (settings: Parameters<typeof start>[0]): Promise<void> => {
    const { get } = await start({ platform, controllers: [PageController], ...settings });
    const first = await get('/');
    expect([first.status, await first.text(), remaining(first)]).toEqual([200, 'cached', 1]);
    expect(remaining(await get('/'))).toBe(0);
    expect((await get('/')).status).toBe(429);
  };

  describe.each(PLACES)('beside what is declared %s', (_place, placed) => {
    it('limits the 401s of an authentication guard', async () => {
      expect(await statusesOf(placed(GUARD, limits(storage)))).toEqual([401, 401, 429, 429]);
    });

    it('limits the 401s of a request-scoped authentication guard', async () => {
      expect(await statusesOf(placed(REQUEST_GUARD, limits(storage)))).toEqual([401, 401, 429, 429]);
    });

    it('charges and tells on what an interceptor answers without the handler', async () => {
      await expectFieldsOnCached(placed(INTERCEPTOR, limits(storage)));
    });

    it('charges and tells on what a request-scoped interceptor answers without the handler', async () => {
      await expectFieldsOnCached(placed(REQUEST_INTERCEPTOR, limits(storage)));
    });

    it('is the same when the options come late', async () => {
      const late = RateLimitModule.forRootAsync({
        useFactory: async () => {
          await oneTurn();
          return options(storage);
        },
      });
      expect(await statusesOf(placed(GUARD, late))).toEqual([401, 401, 429, 429]);
    });
  });

  it('is the same when a class makes the options late', async () => {
    SlowOptions.kind = storage;
    const late = RateLimitModule.forRootAsync({ useClass: SlowOptions });
    expect(await statusesOf({ imports: [holding(GUARD), late] })).toEqual([401, 401, 429, 429]);
  });

  it('puts limits before guards that are mounted by hand', async () => {
    const statuses = await statusesOf({
      imports: [limits(storage)],
      configure: (app) => app.useGlobalGuards(new NobodyGuard()),
    });
    expect(statuses).toEqual([401, 401, 429, 429]);
  });

  it('puts limits before interceptors that are mounted by hand', async () => {
    await expectFieldsOnCached({
      imports: [limits(storage)],
      configure: (app) => app.useGlobalInterceptors(new CacheInterceptor()),
    });
  });
});
