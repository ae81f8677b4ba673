import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Get,
  ImATeapotException,
  Injectable,
  type MessageEvent,
  Sse,
  UnauthorizedException,
} from '@nestjs/common';
import { APP_GUARD, ApplicationConfig } from '@nestjs/core';
import {
  type Decision,
  RateLimit,
  RateLimitConfigurationError,
  RateLimitDecision,
  RateLimitGuard,
  RateLimitInterceptor,
  RateLimitModule,
  user,
} from 'nestjs-token-bucket';
import { type Observable, of } from 'rxjs';
import { startError } from './support/app.js';
import { limitFields, remaining } from './support/fields.js';
import { LANES, makeStorage, type StorageKind, useApps } from './support/lanes.js';

@Injectable()
class DoorGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    if (headers['x-door'] === '401') throw new UnauthorizedException();
    if (headers['x-door'] === '403') throw new ForbiddenException();
    return true;
  }
}

@Controller()
@RateLimit(3, 3600)
class WorkController {
  @Get('value')
  value(@RateLimitDecision() decision: Decision): string {
    return `${decision.remaining} left`;
  }

  @Get('known-error')
  knownError(): never {
    throw new ImATeapotException();
  }

  @Get('bug')
  bug(): never {
    throw new Error('a bug');
  }

  @Sse('events')
  events(): Observable<MessageEvent> {
    return of({ data: 'news' });
  }
}

@Controller()
class MineController {
  @Get('mine')
  @RateLimit(3, 3600, { by: user() })
  mine(): string {
    return 'mine';
  }
}

const limits = (storage: StorageKind) =>
  RateLimitModule.forRoot({ storage: makeStorage(storage), headers: { writtenBy: 'guard' } });

describe.each(LANES)('Fields written by the guard on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();
  const startWork = () =>
    start({
      platform,
      imports: [limits(storage)],
      controllers: [WorkController],
      providers: [{ provide: APP_GUARD, useClass: DoorGuard }],
    });

  it.each([
    ['/value', {}, 200],
    ['/known-error', {}, 418],
    ['/bug', {}, 500],
    ['/events', {}, 200],
    ['/value', { 'X-Door': '401' }, 401],
    ['/value', { 'X-Door': '403' }, 403],
  ])('are on %s with %j, which is answered with %i, and on the refusal after three', async (path, headers, status) => {
    const { get } = await startWork();
    const ask = () => get(path, '203.0.113.1', { headers });
    const first = await ask();
    expect(first.status).toBe(status);
    expect(limitFields(first)).toMatchObject({
      'RateLimit-Policy': '"default";q=3;w=3600',
      RateLimit: '"default";r=2;t=2400',
      'X-RateLimit-Limit': '3',
      'X-RateLimit-Remaining': '2',
    });
    await first.text();
    expect(remaining(await ask())).toBe(1);
    expect(remaining(await ask())).toBe(0);
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(limitFields(refused)).toHaveProperty('Retry-After');
  });

  it('leave the decision to the handler', async () => {
    const { get } = await startWork();
    expect(await (await get('/value')).text()).toBe('2 left');
  });

  it('need no interceptor, and none is mounted', async () => {
    const { app } = await startWork();
    const config = app.get(ApplicationConfig);
    expect(config.getGlobalGuards()[0]).toBeInstanceOf(RateLimitGuard);
    expect(config.getGlobalInterceptors().filter((one) => one instanceof RateLimitInterceptor)).toEqual([]);
  });

  it('cannot wait for a user, which starting says', async () => {
    const error = await startError({ platform, imports: [limits(storage)], controllers: [MineController] });
    expect(error).toBeInstanceOf(RateLimitConfigurationError);
    expect(error.message).toMatch(/MineController\.mine: user\(\) .* Remedy: remove headers\.writtenBy: 'guard'/);
  });
});
