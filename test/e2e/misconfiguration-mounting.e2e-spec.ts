import { Controller, Get, UseGuards, UseInterceptors } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import {
  afterAuthentication,
  RateLimit,
  RateLimitGuard,
  RateLimitInterceptor,
  RateLimitModule,
  type RateLimitModuleOptions,
  SkipRateLimit,
  user,
} from 'nestjs-token-bucket';
import { admitted, policiesOf, stillStorage } from './support/admission.js';
import type { AppSettings } from './support/app.js';
import { useApps } from './support/lanes.js';
import { expectMistake, type MistakeRow } from './support/mistakes.js';

@Controller('reports')
class ReportsController {
  @Get() @RateLimit(2, 60) list(): string {
    return 'charged by address';
  }
}

@Controller('own')
class OwnController {
  @Get() @RateLimit(2, 60, { name: 'of-user', by: user() }) mine(): string {
    return 'charged by user';
  }
}

@Controller('custom')
class CustomController {
  @Get() @RateLimit(2, 60, { by: afterAuthentication(() => 'somebody') }) mine(): string {
    return 'charged after authentication';
  }
}

@Controller('by-class')
@UseGuards(RateLimitGuard)
@UseInterceptors(RateLimitInterceptor)
class MountedByClassController {
  @Get() @RateLimit(2, 60, { by: user() }) list(): string {
    return 'mounted by the class';
  }
}

@Controller('heir')
class HeirController extends MountedByClassController {}

@Controller('by-method')
class MountedByMethodController {
  @Get()
  @UseGuards(RateLimitGuard)
  @UseInterceptors(RateLimitInterceptor)
  @RateLimit(2, 60)
  list(): string {
    return 'mounted by the method';
  }

  @Get('bare') bare(): string {
    return 'not mounted, not limited';
  }
}

@Controller('half')
class HalfMountedController {
  @Get() @UseGuards(RateLimitGuard) @RateLimit(2, 60) list(): string {
    return 'mounted';
  }

  @Get('other') @RateLimit(2, 60) other(): string {
    return 'forgotten';
  }
}

@Controller('skipped')
@SkipRateLimit()
class SkippedController {
  @Get() list(): string {
    return 'needs no guard';
  }
}

const APP_GUARDED = { provide: APP_GUARD, useExisting: RateLimitGuard };
const APP_INTERCEPTED = { provide: APP_INTERCEPTOR, useExisting: RateLimitInterceptor };
const BY_HAND: RateLimitModuleOptions = { global: false };

const settings = (options: RateLimitModuleOptions, rest: AppSettings): AppSettings => ({
  imports: [RateLimitModule.forRoot({ storage: stillStorage(), ...options })],
  ...rest,
});

describe('An application whose limits nobody would enforce', () => {
  const controllers = [ReportsController];
  const unmounted: MistakeRow[] = [
    [
      'a limited route when nothing is mounted',
      () => settings(BY_HAND, { controllers }),
      '@RateLimit on ReportsController.list',
      'no RateLimitGuard is mounted on ReportsController.list, so the limit is not enforced (global is false)',
      "add { provide: APP_GUARD, useExisting: RateLimitGuard } or @UseGuards(RateLimitGuard), or remove 'global: false'",
    ],
    [
      'a route with the default when nothing is mounted',
      () =>
        settings(
          { ...BY_HAND, default: { capacity: 2, perSeconds: 60 } },
          { controllers: [MountedByMethodController] },
        ),
      'RateLimitModule.forRoot default',
      'no RateLimitGuard is mounted on MountedByMethodController.bare',
      '@UseGuards(RateLimitGuard)',
    ],
    [
      'a limited route when only the interceptor is mounted',
      () => settings(BY_HAND, { controllers, providers: [APP_INTERCEPTED] }),
      '@RateLimit on ReportsController.list',
      'no RateLimitGuard is mounted on ReportsController.list',
      'APP_GUARD',
    ],
    [
      'a limited route beside one that mounts the guard for itself',
      () => settings(BY_HAND, { controllers: [HalfMountedController], providers: [APP_INTERCEPTED] }),
      '@RateLimit on HalfMountedController.other',
      'no RateLimitGuard is mounted on HalfMountedController.other',
      '@UseGuards(RateLimitGuard)',
    ],
    [
      'a limited route when only the guard is mounted, which does not write the fields',
      () => settings(BY_HAND, { controllers, providers: [APP_GUARDED] }),
      'RateLimitModule.forRoot',
      "headers.writtenBy is 'interceptor' and no RateLimitInterceptor is mounted on ReportsController.list",
      "add { provide: APP_INTERCEPTOR, useExisting: RateLimitInterceptor }, or set headers.writtenBy: 'guard'",
    ],
    [
      'a limit by user when only the guard is mounted',
      () => settings(BY_HAND, { controllers: [OwnController], providers: [APP_GUARDED] }),
      '@RateLimit on OwnController.mine',
      'user() is only known after authentication, which takes the RateLimitInterceptor, and none is mounted on OwnController.mine',
      'add { provide: APP_INTERCEPTOR, useExisting: RateLimitInterceptor } or @UseInterceptors(RateLimitInterceptor)',
    ],
    [
      'a limit by user when the guard writes the fields',
      () => settings({ headers: { writtenBy: 'guard' } }, { controllers: [OwnController] }),
      '@RateLimit on OwnController.mine',
      'user() is only known after authentication',
      "remove headers.writtenBy: 'guard', or limit by a subject that is known before authentication",
    ],
    [
      'a default by user when the guard writes the fields',
      () =>
        settings(
          { headers: { writtenBy: 'guard' }, by: user(), default: { capacity: 2, perSeconds: 60 } },
          { controllers: [MountedByMethodController] },
        ),
      'RateLimitModule.forRoot default',
      'user() is only known after authentication',
      "remove headers.writtenBy: 'guard'",
    ],
    [
      'a limit by a function after authentication when the guard writes the fields',
      () => settings({ headers: { writtenBy: 'guard' } }, { controllers: [CustomController] }),
      '@RateLimit on CustomController.mine',
      'afterAuthentication(function (anonymous)) is only known after authentication',
      "remove headers.writtenBy: 'guard'",
    ],
  ];
  it.each(unmounted)('refuses %s', expectMistake);
});

describe('An application that mounts guard and interceptor itself', () => {
  const start = useApps();
  const both = { providers: [APP_GUARDED, APP_INTERCEPTED] };

  it.each<[where: string, path: string, options: RateLimitModuleOptions, rest: AppSettings]>([
    ['as providers of the application', '/reports', {}, { ...both, controllers: [ReportsController] }],
    ['as providers, for a limit by user', '/own', {}, { ...both, controllers: [OwnController] }],
    ['on a class', '/by-class', {}, { controllers: [MountedByClassController] }],
    ['on the class that a controller extends', '/heir', {}, { controllers: [HeirController] }],
    ['on a method', '/by-method', {}, { controllers: [MountedByMethodController] }],
    [
      'through the application object',
      '/reports',
      {},
      {
        controllers: [ReportsController],
        configure: (app) => {
          app.useGlobalGuards(app.get(RateLimitGuard));
          app.useGlobalInterceptors(app.get(RateLimitInterceptor));
        },
      },
    ],
    [
      'without the interceptor, where the guard writes the fields',
      '/reports',
      { headers: { writtenBy: 'guard' } },
      { controllers: [ReportsController], providers: [APP_GUARDED] },
    ],
  ])('starts and limits when they are mounted %s', async (_where, path, options, rest) => {
    const app = await start(settings({ ...BY_HAND, ...options }, rest));
    expect(await policiesOf(app, path)).toHaveLength(1);
    expect(await admitted(app, path, 5)).toBe(1);
  });

  it('need not mount them where nothing is limited', async () => {
    const options = { ...BY_HAND, default: { capacity: 2, perSeconds: 60 } };
    const app = await start(settings(options, { controllers: [SkippedController] }));
    expect(await admitted(app, '/skipped', 5)).toBe(5);
  });
});
