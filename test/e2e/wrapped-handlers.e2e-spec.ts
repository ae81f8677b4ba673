import { Controller, type ExecutionContext, Get, Injectable, Scope, UseGuards, UseInterceptors } from '@nestjs/common';
import { RateLimit, RateLimitGuard, RateLimitInterceptor, RateLimitModule } from 'nestjs-token-bucket';
import { type AppSettings, startApp } from './support/app.js';

const statuses = async (settings: AppSettings, path: string): Promise<number[]> => {
  const { get, close } = await startApp(settings);
  try {
    return [(await get(path)).status, (await get(path)).status];
  } finally {
    await close();
  }
};

/** A decorator that puts another function in the place of the method, as logging and tracing decorators do. */
function Replaced(): MethodDecorator {
  return (_target, _property, descriptor: { value?: unknown }) => {
    const original = descriptor.value as (...args: unknown[]) => unknown;
    descriptor.value = function (this: unknown, ...args: unknown[]) {
      return original.apply(this, args);
    };
  };
}

describe('A limit on a handler that is another function than the decorated one', () => {
  it('holds when a decorator above it replaced the method', async () => {
    @Controller('replaced')
    class ReplacedController {
      @Get() @Replaced() @RateLimit(1, 60) list(): string {
        return 'ok';
      }
    }
    const settings = { imports: [RateLimitModule.forRoot()], controllers: [ReplacedController] };
    expect(await statuses(settings, '/replaced')).toEqual([200, 429]);
  });

  it.each([Scope.DEFAULT, Scope.REQUEST])('holds when the instance binds its method (scope %s)', async (scope) => {
    @Controller({ path: 'bound', scope })
    class BoundController {
      constructor() {
        this.list = this.list.bind(this);
      }

      @Get() @RateLimit(1, 60) list(): string {
        return 'ok';
      }
    }
    const settings = { imports: [RateLimitModule.forRoot()], controllers: [BoundController] };
    expect(await statuses(settings, '/bound')).toEqual([200, 429]);
  });

  it('is enforced by a guard of the application that extends ours', async () => {
    @Injectable()
    class LoggingGuard extends RateLimitGuard {
      override canActivate(context: ExecutionContext): boolean | Promise<boolean> {
        return super.canActivate(context);
      }
    }
    @Controller('extended')
    @UseGuards(LoggingGuard)
    @UseInterceptors(RateLimitInterceptor)
    class ExtendedController {
      @Get() @RateLimit(1, 60) list(): string {
        return 'ok';
      }
    }
    const settings = { imports: [RateLimitModule.forRoot({ global: false })], controllers: [ExtendedController] };
    expect(await statuses(settings, '/extended')).toEqual([200, 429]);
  });
});
