import { Controller, Get, Injectable, Module, type Type } from '@nestjs/common';
import {
  RateLimit,
  type RateLimitModuleAsyncOptions,
  RateLimiter,
  RateLimitModule,
  type RateLimitModuleOptions,
  type RateLimitOptionsFactory,
} from 'nestjs-token-bucket';
import { admitted, policiesOf, stillStorage } from './support/admission.js';
import { remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';

@Controller('reports')
class ReportsController {
  @Get() list(): string {
    return 'the default';
  }

  @Get('exports') @RateLimit('exports') exports(): string {
    return 'the shared policy';
  }
}

const optionsOf = (capacity: number): RateLimitModuleOptions => ({
  storage: stillStorage(),
  default: { capacity, perSeconds: 60 },
  policies: { exports: { capacity: 5, perSeconds: 60 } },
});

@Injectable()
class Settings {
  readonly capacity = 3;
}

@Injectable()
class OptionsOfSettings implements RateLimitOptionsFactory {
  constructor(private readonly settings: Settings) {}

  createRateLimitOptions(): RateLimitModuleOptions {
    return optionsOf(this.settings.capacity);
  }
}

@Module({ providers: [Settings, OptionsOfSettings], exports: [Settings, OptionsOfSettings] })
class SettingsModule {}

describe('RateLimitModule', () => {
  const start = useApps();

  it.each<[way: string, options: RateLimitModuleAsyncOptions]>([
    ['from a factory', { useFactory: () => optionsOf(3) }],
    ['from a factory that takes its time', { useFactory: () => Promise.resolve(optionsOf(3)) }],
    [
      'from a factory with providers of an imported module',
      {
        imports: [SettingsModule],
        inject: [Settings, { token: 'MISSING', optional: true }],
        useFactory: ({ capacity }: Settings, missing: unknown) => optionsOf(missing === undefined ? capacity : 1),
      },
    ],
    ['from a class that it makes itself', { imports: [SettingsModule], useClass: OptionsOfSettings }],
    ['from a provider of an imported module', { imports: [SettingsModule], useExisting: OptionsOfSettings }],
  ])('takes its options %s', async (_way, options) => {
    const app = await start({ imports: [RateLimitModule.forRootAsync(options)], controllers: [ReportsController] });
    expect(await policiesOf(app, '/reports/exports')).toEqual(['default', 'exports']);
    expect(await admitted(app, '/reports', 5)).toBe(2);
  });

  it('makes the options of a provider that the application shares once', async () => {
    let made = 0;
    @Injectable()
    class CountedOptions implements RateLimitOptionsFactory {
      createRateLimitOptions(): RateLimitModuleOptions {
        made++;
        return optionsOf(3);
      }
    }
    @Module({ providers: [CountedOptions], exports: [CountedOptions] })
    class CountedModule {}
    await start({
      imports: [RateLimitModule.forRootAsync({ imports: [CountedModule], useExisting: CountedOptions })],
      controllers: [ReportsController],
    });
    expect(made).toBe(1);
  });

  it('may be imported by several modules as one and the same', async () => {
    const limits = RateLimitModule.forRoot(optionsOf(3));
    @Module({ imports: [limits], controllers: [ReportsController] })
    class ReportsModule {}
    const app = await start({ imports: [limits, ReportsModule] });
    expect(await admitted(app, '/reports', 5)).toBe(3);
  });

  it('needs no options: then only decorated routes are limited', async () => {
    @Controller('data')
    class DataController {
      @Get() @RateLimit(30, 3600) list(): string {
        return 'limited';
      }
    }
    const app = await start({ imports: [RateLimitModule.forRoot()], controllers: [DataController] });
    expect(await admitted(app, '/data', 31)).toBe(30);
  });

  describe('gives the RateLimiter', () => {
    @Injectable()
    class ExportsService {
      constructor(readonly limiter: RateLimiter) {}
    }
    @Module({ providers: [ExportsService], exports: [ExportsService] })
    class ExportsModule {}
    @Module({ imports: [ExportsModule] })
    class OuterModule {}

    const startExports = (...imports: Type[]) =>
      start({ imports: [...imports, RateLimitModule.forRoot(optionsOf(3))], controllers: [ReportsController] });
    const bucket = { policy: 'exports', subject: 'ip:203.0.113.1' };

    it('to every module without an import, one for the whole application', async () => {
      const { app } = await startExports(OuterModule);
      const { limiter } = app.get(ExportsService, { strict: false });
      expect(limiter).toBeInstanceOf(RateLimiter);
      expect(limiter).toBe(app.get(RateLimiter));
    });

    it('which charges the same bucket as the routes that name a shared policy', async () => {
      const { app, get } = await startExports(ExportsModule);
      const { limiter } = app.get(ExportsService, { strict: false });
      expect((await limiter.consume({ ...bucket, cost: 2 })).remaining).toBe(3);
      expect(remaining(await get('/reports/exports'), 'exports')).toBe(2);
      expect((await limiter.consume(bucket)).remaining).toBe(1);
      expect(remaining(await get('/reports/exports', '203.0.113.2'), 'exports')).toBe(4);
    });

    it('which gives back to and resets the buckets of routes', async () => {
      const running = await startExports(ExportsModule);
      const limiter = running.app.get(RateLimiter);
      const { receipts } = await limiter.consume({ ...bucket, cost: 5 });
      expect((await running.get('/reports/exports')).status).toBe(429);
      for (const receipt of receipts) await limiter.refund(receipt);
      // The default has three tokens, and the refused request took none of them.
      expect(await admitted(running, '/reports/exports', 5)).toBe(3);
      expect((await limiter.peek(bucket)).remaining).toBe(2);
      await limiter.reset(bucket);
      expect((await limiter.peek(bucket)).remaining).toBe(5);
    });
  });
});
