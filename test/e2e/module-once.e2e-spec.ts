import type { ServerResponse } from 'node:http';
import { Controller, Get, Module, UseGuards, UseInterceptors } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import {
  RateLimit,
  RateLimitGuard,
  RateLimitInterceptor,
  RateLimitModule,
  type RateLimitModuleOptions,
  user,
} from 'nestjs-token-bucket';
import { admitted, stillStorage } from './support/admission.js';
import { type AppSettings, PLATFORMS } from './support/app.js';
import { remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';

@Controller('once')
class OnceController {
  @Get() @RateLimit(6, 60) @RateLimit(4, 60, { name: 'of-user', by: user() }) list(): string {
    return 'mounted by the module';
  }
}

@Controller('once')
@UseGuards(RateLimitGuard, RateLimitGuard)
@UseInterceptors(RateLimitInterceptor)
class OftenController {
  @Get()
  @UseGuards(RateLimitGuard)
  @UseInterceptors(RateLimitInterceptor)
  @RateLimit(6, 60)
  @RateLimit(4, 60, { name: 'of-user', by: user() })
  list(): string {
    return 'mounted by class and method as well';
  }
}

const EXISTING = [
  { provide: APP_GUARD, useExisting: RateLimitGuard },
  { provide: APP_INTERCEPTOR, useExisting: RateLimitInterceptor },
];
const OTHERS = [
  { provide: APP_GUARD, useClass: RateLimitGuard },
  { provide: APP_INTERCEPTOR, useClass: RateLimitInterceptor },
];

@Module({ providers: OTHERS, controllers: [OftenController] })
class OftenModule {}

const mountings: [mounting: string, settings: AppSettings][] = [
  ['by the module alone', { controllers: [OnceController] }],
  ['on class and method as well', { controllers: [OftenController] }],
  ['as providers of the application as well', { controllers: [OnceController], providers: EXISTING }],
  ['as other instances of their classes as well', { controllers: [OnceController], providers: OTHERS }],
  [
    'through the application object as well',
    {
      controllers: [OnceController],
      configure: (app) => {
        app.useGlobalGuards(app.get(RateLimitGuard));
        app.useGlobalInterceptors(app.get(RateLimitInterceptor));
      },
    },
  ],
  ['in every way at once', { imports: [OftenModule], providers: EXISTING }],
];

describe.each(PLATFORMS)('A request is charged once on %s', (platform) => {
  const start = useApps();
  const startMounted = ({ imports = [], ...rest }: AppSettings, options: RateLimitModuleOptions = {}) =>
    start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: stillStorage(), ...options }), ...imports],
      ...rest,
    });

  it.each(mountings)('when guard and interceptor are mounted %s', async (_mounting, settings) => {
    const app = await startMounted(settings);
    const response = await app.get('/once');
    expect(remaining(response)).toBe(5);
    expect(remaining(response, 'of-user')).toBe(3);
    expect(await admitted(app, '/once', 10)).toBe(3);
  });

  it.each(mountings.slice(1))('without `global`, when they are mounted %s', async (_mounting, settings) => {
    const app = await startMounted(settings, { global: false });
    expect(await admitted(app, '/once', 10)).toBe(4);
    expect(await admitted(app, '/once', 10, '203.0.113.2')).toBe(4);
  });
});

describe('The fields of an answer are written once', () => {
  const start = useApps();

  it.each(mountings)('when guard and interceptor are mounted %s', async (_mounting, { imports = [], ...rest }) => {
    const written: string[] = [];
    const app = await start({
      ...rest,
      imports: [RateLimitModule.forRoot({ storage: stillStorage() }), ...imports],
      configure: (nest) => {
        rest.configure?.(nest);
        nest.use((_request: unknown, response: ServerResponse, next: () => void) => {
          const setHeader = response.setHeader.bind(response);
          response.setHeader = (name, value) => {
            written.push(name.toLowerCase());
            return setHeader(name, value);
          };
          next();
        });
      },
    });
    await app.get('/once');
    const ours = written.filter((name) => name.includes('ratelimit'));
    expect(ours).toEqual(
      expect.arrayContaining(['ratelimit-policy', 'ratelimit', 'x-ratelimit-limit', 'x-ratelimit-remaining']),
    );
    expect(new Set(ours).size).toBe(ours.length);
  });
});
