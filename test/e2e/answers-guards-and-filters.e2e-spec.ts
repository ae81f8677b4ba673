import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  ForbiddenException,
  Get,
  HttpException,
  Inject,
  Injectable,
  UnauthorizedException,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import { RateLimit, RateLimitExceededException, RateLimitModule } from 'nestjs-token-bucket';
import { limitFields, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';

/** Lets in who says so, and refuses the others in the way they ask for. */
@Injectable()
class DoorGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    if (headers['x-door'] === 'open') return true;
    if (headers['x-door'] === '401') throw new UnauthorizedException();
    if (headers['x-door'] === '403') throw new ForbiddenException('Not you.');
    return false;
  }
}

@Controller('door')
@UseGuards(DoorGuard)
class DoorController {
  @Get()
  @RateLimit(3, 3600)
  enter(): string {
    return 'in';
  }
}

@Catch()
@Injectable()
class CatchAllFilter implements ExceptionFilter {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const { httpAdapter } = this.host;
    const status = exception instanceof HttpException ? exception.getStatus() : 500;
    const limited = exception instanceof RateLimitExceededException ? exception.decision : undefined;
    const body = { oops: true, wait: limited && Math.ceil(limited.retryAfterMs / 1000), left: limited?.remaining };
    httpAdapter.reply(host.switchToHttp().getResponse(), body, status);
  }
}

@Controller('work')
class WorkController {
  @Get()
  @RateLimit(1, 3600)
  work(): string {
    return 'done';
  }

  @Get('bug')
  @RateLimit(1, 3600)
  bug(): never {
    throw new Error('a bug');
  }
}

@Controller('own')
@UseFilters(CatchAllFilter)
class OwnFilterController extends WorkController {}

describe.each(LANES)('Guards after ours on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();
  const startDoor = () =>
    start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [DoorController],
    });

  it.each([
    ['401', 401],
    ['403', 403],
    ['false', 403],
  ])('that refuse (%s) leave an answer without fields, whose charge stays', async (door, status) => {
    const { get } = await startDoor();
    const closed = await get('/door', '203.0.113.1', { headers: { 'X-Door': door } });
    expect(closed.status).toBe(status);
    expect(limitFields(closed)).toEqual({});
    const open = await get('/door', '203.0.113.1', { headers: { 'X-Door': 'open' } });
    expect(await open.text()).toBe('in');
    expect(remaining(open)).toBe(1);
  });

  it('are not asked any more once the limit refuses', async () => {
    const { get } = await startDoor();
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) {
      statuses.push((await get('/door', '203.0.113.1', { headers: { 'X-Door': '401' } })).status);
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
  });
});

describe.each(LANES)('Exception filters of the application on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();
  const expectReshaped = async (response: Response): Promise<void> => {
    expect(response.status).toBe(429);
    const fields = limitFields(response);
    expect(fields).toMatchObject({ 'RateLimit-Policy': '"default";q=1;w=3600', 'X-RateLimit-Remaining': '0' });
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    expect(await response.json()).toEqual({ oops: true, wait: Number(fields['Retry-After']), left: 0 });
  };

  it.each(['nest', 'problem'] as const)(
    'reshape the refusal (%s), read its decision and keep its fields when they are a provider',
    async (body) => {
      const { get } = await start({
        platform,
        imports: [RateLimitModule.forRoot({ storage: makeStorage(storage), body })],
        controllers: [WorkController],
        providers: [{ provide: APP_FILTER, useClass: CatchAllFilter }],
      });
      expect((await get('/work')).status).toBe(200);
      await expectReshaped(await get('/work'));
    },
  );

  it('do so when they are mounted by hand', async () => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [WorkController],
      configure: (app) => app.useGlobalFilters(new CatchAllFilter(app.get(HttpAdapterHost))),
    });
    await get('/work');
    await expectReshaped(await get('/work'));
  });

  it('do so on a controller', async () => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [OwnFilterController],
    });
    await get('/own');
    await expectReshaped(await get('/own'));
  });

  it('keep the fields of a handler that fails', async () => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [WorkController],
      providers: [{ provide: APP_FILTER, useClass: CatchAllFilter }],
    });
    const response = await get('/work/bug');
    expect(response.status).toBe(500);
    expect(remaining(response)).toBe(0);
    expect(await response.json()).toEqual({ oops: true });
  });
});
