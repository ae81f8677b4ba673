import {
  Controller,
  type ExecutionContext,
  Get,
  Inject,
  Injectable,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  Scope,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { RateLimit, RateLimitConfigurationError, RateLimitModule, user } from 'nestjs-token-bucket';
import { startError } from './support/app.js';
import { limitFields, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';

@Injectable({ scope: Scope.REQUEST })
class RequestService {
  private static made = 0;
  readonly number = ++RequestService.made;

  constructor(@Inject(REQUEST) readonly request: object) {}
}

@Controller({ path: 'scoped', scope: Scope.REQUEST })
@RateLimit(3, 3600)
class ScopedController {
  @Get()
  read(): string {
    return 'scoped';
  }
}

@Controller('depending')
@RateLimit(3, 3600)
class DependingController {
  constructor(@Inject(RequestService) private readonly service: RequestService) {}

  @Get()
  read(): string {
    return String(this.service.number);
  }
}

interface NodeRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  tenant?: unknown;
  user?: unknown;
}

interface NodeResponse {
  statusCode: number;
  end(body: string): unknown;
}

/** What middleware put on Node's request, which Fastify wraps. */
function tenantOf(context: ExecutionContext): string {
  const request = context.switchToHttp().getRequest<NodeRequest & { raw?: NodeRequest }>();
  return String((request.raw ?? request).tenant);
}

@Controller('tenants')
class TenantsController {
  @Get()
  @RateLimit(2, 3600, { by: tenantOf })
  read(): string {
    return 'read';
  }

  @Get('mine')
  @RateLimit(2, 3600, { by: user() })
  mine(): string {
    return 'mine';
  }
}

function middleware(request: NodeRequest, response: NodeResponse, next: () => void): void {
  request.tenant = request.headers['x-tenant'];
  request.user = request.headers['x-user'];
  if (request.tenant !== undefined) return next();
  response.statusCode = 404;
  response.end('no such tenant');
}

@Module({ controllers: [TenantsController] })
class TenantsModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(middleware).forRoutes(TenantsController);
  }
}

describe.each(LANES)('Scopes on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();

  it.each(['/scoped', '/depending'])('limit what is made anew for each request: %s', async (path) => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [ScopedController, DependingController],
      providers: [RequestService],
    });
    const answers = [await get(path), await get(path), await get(path), await get(path)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers.slice(0, 3).map((answer) => remaining(answer))).toEqual([2, 1, 0]);
  });

  it('cannot be those of the options, which starting says', async () => {
    const error = await startError({
      platform,
      imports: [
        RateLimitModule.forRootAsync({
          inject: [REQUEST],
          useFactory: () => ({ storage: makeStorage(storage), default: { capacity: 1, perSeconds: 1 } }),
        }),
      ],
      controllers: [ScopedController],
    });
    expect(error).toBeInstanceOf(RateLimitConfigurationError);
    expect(error.message).toMatch(/forRootAsync: its options depend on a request-scoped provider.* Remedy: /);
  });
});

describe.each(LANES)('Middleware on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();
  const ask = (get: Awaited<ReturnType<typeof start>>['get'], tenant?: string) =>
    get('/tenants', '203.0.113.1', { headers: tenant === undefined ? {} : { 'X-Tenant': tenant } });

  it('stands before the limits: subjects see what it left, and what it answers is not limited', async () => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) }), TenantsModule],
    });
    for (let i = 0; i < 4; i++) {
      const turnedAway = await ask(get);
      expect([turnedAway.status, limitFields(turnedAway)]).toEqual([404, {}]);
    }
    expect(remaining(await ask(get, 'red'))).toBe(1);
    expect(remaining(await ask(get, 'red'))).toBe(0);
    expect((await ask(get, 'red')).status).toBe(429);
    expect(remaining(await ask(get, 'blue'))).toBe(1);
  });

  it('may be what authenticates: user() finds whom it left', async () => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) }), TenantsModule],
    });
    const askAs = (name: string) =>
      get('/tenants/mine', '203.0.113.1', { headers: { 'X-Tenant': 'red', 'X-User': name } });
    expect(remaining(await askAs('ada'))).toBe(1);
    expect(remaining(await askAs('ada'))).toBe(0);
    expect((await askAs('ada')).status).toBe(429);
    expect(remaining(await askAs('bob'))).toBe(1);
  });
});
