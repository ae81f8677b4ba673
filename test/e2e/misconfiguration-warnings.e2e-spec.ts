import { Controller, Get, type INestApplication, Injectable, Module } from '@nestjs/common';
import { RateLimit, RateLimitModule, type RateLimitModuleOptions, SkipRateLimit } from 'nestjs-token-bucket';
import type { AppSettings } from './support/app.js';
import { useApps } from './support/lanes.js';
import { KeptLog } from './support/logs.js';

@Controller('bare')
class BareController {
  @Get() bare(): string {
    return 'no limit';
  }
}

@Controller('limited')
class LimitedController {
  @Get() @RateLimit(10, 60) list(): string {
    return 'limited';
  }
}

@Controller('helped')
class HelpedController {
  @Get() list(): string {
    return this.helper();
  }

  @RateLimit(10, 60) helper(): string {
    return 'no route';
  }
}

@Injectable()
class MailService {
  @RateLimit(10, 60) send(): string {
    return 'sent';
  }
}

@Injectable()
@RateLimit(10, 60)
class ChatGateway {
  greet(): string {
    return 'hello';
  }
}

@Injectable()
@SkipRateLimit()
class PlainService {
  answer(): number {
    return 42;
  }
}

@Module({ providers: [MailService, ChatGateway, PlainService] })
class MailModule {}

const NOTHING_LIMITED =
  'warn [RateLimit] RateLimitModule.forRoot: no route is limited. ' +
  'Add a default limit, or @RateLimit(capacity, perSeconds) to a controller or handler.';

describe('An application that starts with a warning', () => {
  const start = useApps();
  const warningsOf = async (options: RateLimitModuleOptions, rest: AppSettings): Promise<readonly string[]> => {
    const log = new KeptLog();
    const configure = (app: INestApplication): void => app.useLogger(log);
    const { imports = [] } = rest;
    await start({ ...rest, imports: [RateLimitModule.forRoot(options), ...imports], configure });
    return log.of('RateLimit');
  };

  it('says that nothing is limited, and what to do', async () => {
    expect(await warningsOf({}, { controllers: [BareController] })).toEqual([NOTHING_LIMITED]);
  });

  it('says nothing where a route is limited', async () => {
    expect(await warningsOf({}, { controllers: [BareController, LimitedController] })).toEqual([]);
  });

  it('says nothing where only code limits', async () => {
    const policies = { exports: { capacity: 5, perSeconds: 60, usedInCode: true } };
    expect(await warningsOf({ policies }, { controllers: [BareController] })).toEqual([]);
  });

  it('names providers that carry limits without being controllers', async () => {
    expect(await warningsOf({}, { controllers: [LimitedController], imports: [MailModule] })).toEqual([
      'warn [RateLimit] @RateLimit on MailService has no effect yet: it is no controller, and only HTTP handlers are limited.',
      'warn [RateLimit] @RateLimit on ChatGateway has no effect yet: it is no controller, and only HTTP handlers are limited.',
    ]);
  });

  it('says nothing of a controller that is a provider as well', async () => {
    expect(await warningsOf({}, { controllers: [LimitedController], providers: [LimitedController] })).toEqual([]);
  });

  it('names methods of controllers that carry limits without being routes', async () => {
    expect(await warningsOf({}, { controllers: [LimitedController, HelpedController] })).toEqual([
      'warn [RateLimit] @RateLimit on HelpedController.helper has no effect yet: it is no route, and only HTTP handlers are limited.',
    ]);
  });
});
