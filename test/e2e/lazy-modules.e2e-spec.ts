import { Controller, Get, type INestApplication, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { RateLimit, RateLimitConfigurationError, RateLimiter, RateLimitModule } from 'nestjs-token-bucket';
import { admitted } from './support/admission.js';
import { useApps } from './support/lanes.js';
import { KeptLog } from './support/logs.js';

@Controller('reports')
class ReportsController {
  @Get() @RateLimit(2, 60) list(): string {
    return 'list';
  }
}

@Controller('late')
@RateLimit(5, 60, { name: 'late' })
class LateController {
  @Get() @RateLimit(1, 60) list(): string {
    return 'never reached';
  }
}

@Injectable()
class LateService {
  constructor(readonly limiter: RateLimiter) {}
}

@Module({ controllers: [LateController], providers: [LateService] })
class LateModule {}

const controllers = [ReportsController];
const TOO_LATE =
  'RateLimitModule: it was loaded after the routes of the application had been made, so it limits none of them. ' +
  'Remedy: import it in the root module instead of loading it lazily.';

describe('A module that is loaded lazily', () => {
  const start = useApps();

  it('gets no routes from Nest, so its limits have nothing to limit; those of others hold', async () => {
    const log = new KeptLog();
    const configure = (app: INestApplication): void => app.useLogger(log);
    const running = await start({ imports: [RateLimitModule.forRoot({ logDenials: false })], controllers, configure });
    await running.app.get(LazyModuleLoader).load(() => LateModule);
    expect((await running.get('/late')).status).toBe(404);
    expect(await admitted(running, '/reports', 4)).toBe(2);
    expect(log.of('RateLimit')).toEqual([]);
  });

  it('is given the RateLimiter of the application', async () => {
    const { app } = await start({ imports: [RateLimitModule.forRoot()], controllers });
    const late = await app.get(LazyModuleLoader).load(() => LateModule);
    expect(late.get(LateService).limiter).toBe(app.get(RateLimiter));
  });
});

describe('The RateLimitModule itself', () => {
  const start = useApps();

  it('cannot be loaded by an application that listens', async () => {
    const { app } = await start({ controllers });
    const loading = app.get(LazyModuleLoader).load(() => RateLimitModule.forRoot());
    await expect(loading).rejects.toThrow(new RateLimitConfigurationError(TOO_LATE));
  });

  it('is reported when it was loaded too late while the application was starting', async () => {
    @Injectable()
    class LateLimits implements OnModuleInit {
      constructor(private readonly loader: LazyModuleLoader) {}

      async onModuleInit(): Promise<void> {
        await this.loader.load(() => RateLimitModule.forRoot());
      }
    }
    const log = new KeptLog();
    const configure = (app: INestApplication): void => app.useLogger(log);
    await start({ providers: [LateLimits], controllers, configure });
    expect(log.of('RateLimit')).toEqual([`error [RateLimit] ${TOO_LATE}`]);
  });
});
