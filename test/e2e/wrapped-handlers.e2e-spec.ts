import {
  applyDecorators,
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  Injectable,
  Scope,
  type Type,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { RateLimit, RateLimitGuard, RateLimitInterceptor, RateLimitModule } from 'nestjs-token-bucket';
import { PolicyRegistry } from '../../src/nest/policy-registry.js';
import { stillStorage } from './support/admission.js';
import { type AppSettings, startApp } from './support/app.js';
import { KeptLog } from './support/logs.js';

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

  it.each<[string, (self: { list(): string }) => void]>([
    ['bound', (self) => (self.list = self.list.bind(self))],
    [
      'wrapped',
      (self) => {
        const original = self.list.bind(self);
        self.list = Object.defineProperty(() => original(), 'name', { value: 'list' });
      },
    ],
  ])('is planned at start for all that requests make, when each has its own that is %s', async (_, replace) => {
    @Controller({ path: 'own', scope: Scope.REQUEST })
    class OwnController {
      constructor() {
        replace(this);
      }

      @Get() @RateLimit(() => '100/minute') list(): string {
        return 'ok';
      }
    }
    const { app, get, close } = await startApp({ imports: [RateLimitModule.forRoot()], controllers: [OwnController] });
    try {
      const planning = jest.spyOn(app.get(PolicyRegistry, { strict: false }), 'own');
      const remaining: (string | null)[] = [];
      for (let i = 0; i < 3; i++) remaining.push((await get('/own')).headers.get('x-ratelimit-remaining'));
      expect(remaining).toEqual(['99', '98', '97']);
      expect(planning).not.toHaveBeenCalled();
    } finally {
      await close();
    }
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

describe('A function that a controller puts in the place of its method when it is constructed', () => {
  /** One whose instances answer by this function, and never by their method. */
  const replacing = (scope: Scope, replacement: () => string, onClass: ClassDecorator[] = []): Type => {
    @Controller({ path: 'replaced', scope })
    @applyDecorators(...onClass)
    class ReplacingController {
      constructor() {
        this.list = replacement;
      }

      @Get() @applyDecorators(...(onClass.length === 0 ? [RateLimit(1, 60)] : [])) list(): string {
        return 'never reached';
      }
    }
    return ReplacingController;
  };
  const settingsOf = (controller: Type) => ({ imports: [RateLimitModule.forRoot()], controllers: [controller] });

  it('is limited as the method where there is one instance, whatever its name', async () => {
    const controller = replacing(Scope.DEFAULT, () => 'ok');
    expect(await statuses(settingsOf(controller), '/replaced')).toEqual([200, 429]);
  });

  it('is limited as the method of its name where every request makes an instance', async () => {
    const controller = replacing(Scope.REQUEST, function list() {
      return 'ok';
    });
    expect(await statuses(settingsOf(controller), '/replaced')).toEqual([200, 429]);
  });

  it('is limited by what stands on the class, where nothing stands on a method', async () => {
    const controller = replacing(Scope.REQUEST, () => 'ok', [RateLimit(1, 60)]);
    expect(await statuses(settingsOf(controller), '/replaced')).toEqual([200, 429]);
  });

  it.each([
    ['no name', '(anonymous)', () => 'ok'],
    ['the name of no method', 'traced', Object.defineProperty(() => 'ok', 'name', { value: 'traced' })],
  ])('is refused when it has %s and every request makes an instance, and the log says why', async (...row) => {
    const [, name, replacement] = row;
    const log = new KeptLog();
    const configure = (app: INestApplication): void => app.useLogger(log);
    const storage = stillStorage();
    const imports = [RateLimitModule.forRoot({ storage, default: { capacity: 5, perSeconds: 60 } })];
    const controllers = [replacing(Scope.REQUEST, replacement)];
    expect(await statuses({ imports, controllers, configure }, '/replaced')).toEqual([500, 500]);
    const line =
      `error [ExceptionsHandler] ReplacingController.${name}: a handler of ReplacingController is a function that was put ` +
      'in the place of a method at run time, so its limits cannot be told. Remedy: wrap the method with a decorator, or ' +
      'give the function the name of the method.';
    expect(log.of('ExceptionsHandler')).toEqual([line, line]);
    expect(storage.size).toBe(0);
  });
});
