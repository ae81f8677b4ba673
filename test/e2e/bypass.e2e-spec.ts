import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  Injectable,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  header,
  RateLimit,
  RateLimitExceededException,
  RateLimitGuard,
  RateLimitInterceptor,
  RateLimitModule,
  user,
} from 'nestjs-token-bucket';
import { type AppSettings, type RunningApp, startApp } from './support/app.js';

type Handle = (request: Record<string, unknown>, response: unknown, next: () => void) => void;

const running: RunningApp[] = [];
const start = async (settings: AppSettings): Promise<RunningApp> => {
  const app = await startApp({ imports: [RateLimitModule.forRoot()], ...settings });
  running.push(app);
  return app;
};
afterEach(async () => {
  for (const app of running.splice(0)) await app.close();
});

const statuses = async ({ get }: RunningApp, path: string, times = 3): Promise<number[]> => {
  const seen: number[] = [];
  for (let i = 0; i < times; i++) seen.push((await get(path)).status);
  return seen;
};

describe('A refused request', () => {
  it('is not admitted by a guard that asks again', async () => {
    @Injectable()
    class StubbornGuard extends RateLimitGuard {
      override async canActivate(context: ExecutionContext): Promise<boolean> {
        try {
          return await super.canActivate(context);
        } catch {
          return super.canActivate(context);
        }
      }
    }
    @Controller('stubborn')
    @UseGuards(StubbornGuard)
    @UseInterceptors(RateLimitInterceptor)
    class StubbornController {
      @Get() @RateLimit(1, 60) list(): string {
        return 'ok';
      }
    }
    const app = await start({
      imports: [RateLimitModule.forRoot({ global: false })],
      controllers: [StubbornController],
    });
    expect(await statuses(app, '/stubborn')).toEqual([200, 429, 429]);
  });

  it('is not admitted when a filter sends it on to the same handler', async () => {
    @Catch(RateLimitExceededException)
    class SendOn implements ExceptionFilter {
      private sent = new WeakSet<object>();

      catch(exception: RateLimitExceededException, host: ArgumentsHost): void {
        const http = host.switchToHttp();
        const request = http.getRequest<object>();
        if (!this.sent.has(request)) {
          this.sent.add(request);
          http.getNext<() => void>()();
          return;
        }
        http.getResponse<{ status(code: number): { end(): void } }>().status(exception.getStatus()).end();
      }
    }
    @Controller()
    @UseFilters(SendOn)
    class SentController {
      @Get(['sent', ':id']) @RateLimit(1, 60) list(): string {
        return 'ok';
      }
    }
    expect(await statuses(await start({ controllers: [SentController] }), '/sent')).toEqual([200, 429, 429]);
  });
});

describe('A request on Express whose `raw` the application sets', () => {
  @Controller('raw')
  class RawController {
    @Get() @RateLimit(1, 60) list(): string {
      return 'ok';
    }

    @Get('user') @RateLimit(1, 60, { by: user() }) mine(): string {
      return 'ok';
    }
  }

  it.each([
    ['one object for all', {}],
    ['a text', 'raw'],
    ['nothing', undefined],
  ])('is limited: %s', async (_, raw) => {
    const setRaw: Handle = (request, _response, next) => {
      request['raw'] = raw;
      next();
    };
    const app = await start({
      controllers: [RawController],
      configure: (nest) => (nest as NestExpressApplication).use(setRaw),
    });
    expect(await statuses(app, '/raw')).toEqual([200, 429, 429]);
    expect(await statuses(app, '/raw/user')).toEqual([200, 429, 429]);
  });
});

it('A header named like a property that all objects have is missing like any other', async () => {
  @Controller('odd')
  class OddController {
    @Get() @RateLimit(1, 60, { by: header('constructor') }) list(): string {
      return 'ok';
    }
  }
  expect(await statuses(await start({ controllers: [OddController] }), '/odd', 1)).toEqual([400]);
});

it('Trust in every proxy that is set after the start is found at the first forwarded request', async () => {
  @Controller('late')
  class LateController {
    @Get() @RateLimit(1, 60) list(): string {
      return 'ok';
    }
  }
  const app = await start({ controllers: [LateController] });
  (app.app as NestExpressApplication).set('trust proxy', true);
  expect(await statuses(app, '/late')).toEqual([500, 500, 500]);
});
