import { Controller, Get, Module, Post } from '@nestjs/common';
import { RateLimit, RateLimitModule, type RateLimitModuleOptions } from 'nestjs-token-bucket';
import { admitted, stillStorage } from './support/admission.js';
import { remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';

@Controller('reports')
class ReportsController {
  @Get('first') @RateLimit(3, 60) first(): string {
    return 'three at once';
  }

  @Get('second') @RateLimit(3, 60) second(): string {
    return 'the same numbers';
  }

  @Post('first') @RateLimit(3, 60) create(): string {
    return 'the same path';
  }

  @Get(['one-path', 'another-path']) @RateLimit(3, 60) paths(): string {
    return 'two paths';
  }

  @Get('item/:id') @RateLimit(3, 60) item(): string {
    return 'any item';
  }

  @Get('bare') bare(): string {
    return 'no limit of its own';
  }

  @Get('exports') @RateLimit('exports') exports(): string {
    return 'the shared policy';
  }

  @Get('found') @RateLimit(4, 60, { name: 'search', id: 'search' }) found(): string {
    return 'an id';
  }

  @Get('mine') @RateLimit(4, 60, { name: 'search' }) mine(): string {
    return 'the same name and numbers without the id';
  }
}

@Controller('users')
@RateLimit(4, 60)
class UsersController {
  @Get('first') first(): string {
    return 'the limit of the class';
  }

  @Get('second') second(): string {
    return 'the limit of the class';
  }

  @Get('exports') @RateLimit('exports') exports(): string {
    return 'the shared policy';
  }

  @Get('found') @RateLimit(4, 60, { name: 'search', id: 'search' }) found(): string {
    return 'the same id';
  }

  @Get('other') @RateLimit(4, 60, { name: 'search', id: 'other' }) other(): string {
    return 'another id';
  }

  @Get('dear') @RateLimit(4, 60, { name: 'search', id: 'search', cost: 2 }) dear(): string {
    return 'the same id at another cost';
  }
}

@Controller('bare')
class BareController {
  @Get() bare(): string {
    return 'no limit of its own';
  }
}

@Module({ controllers: [UsersController, BareController] })
class UsersModule {}

describe('The bucket of a limit belongs to the place at which it is declared', () => {
  const start = useApps();
  const startPlaces = (options: RateLimitModuleOptions = {}) =>
    start({
      imports: [
        RateLimitModule.forRoot({
          storage: stillStorage(),
          policies: { exports: { capacity: 5, perSeconds: 60 } },
          ...options,
        }),
        UsersModule,
      ],
      controllers: [ReportsController],
    });

  it('keeps two methods with the same numbers apart', async () => {
    const app = await startPlaces();
    expect(await admitted(app, '/reports/first', 5)).toBe(3);
    expect(await admitted(app, '/reports/second', 5)).toBe(3);
  });

  it('keeps two methods of the same path apart', async () => {
    const app = await startPlaces();
    expect(await admitted(app, '/reports/first', 5)).toBe(3);
    const created = await app.get('/reports/first', '203.0.113.1', { method: 'POST' });
    expect(created.status).toBe(201);
    expect(remaining(created)).toBe(2);
  });

  it('counts one method once, by whatever path it is reached', async () => {
    const app = await startPlaces();
    expect(await admitted(app, '/reports/one-path', 2)).toBe(2);
    expect(await admitted(app, '/reports/another-path', 5)).toBe(1);
    expect(await admitted(app, '/reports/item/1', 2)).toBe(2);
    expect(await admitted(app, '/reports/item/2', 5)).toBe(1);
  });

  it('makes the limit of a class one bucket over its methods', async () => {
    const app = await startPlaces();
    expect(await admitted(app, '/users/first', 3)).toBe(3);
    expect(await admitted(app, '/users/second', 5)).toBe(1);
    expect(await admitted(app, '/users/first', 5)).toBe(0);
  });

  it('makes the default of the module one bucket over all routes of all modules that use it', async () => {
    const app = await startPlaces({ default: { capacity: 6, perSeconds: 60 } });
    expect(await admitted(app, '/reports/bare', 4)).toBe(4);
    expect(await admitted(app, '/bare', 5)).toBe(2);
    expect(await admitted(app, '/reports/bare', 5)).toBe(0);
    // These replace it.
    expect(await admitted(app, '/reports/first', 5)).toBe(3);
    expect(await admitted(app, '/users/first', 5)).toBe(4);
  });

  it('makes a shared policy one bucket over the controllers that name it', async () => {
    const app = await startPlaces();
    expect(await admitted(app, '/reports/exports', 2)).toBe(2);
    expect(remaining(await app.get('/users/exports'), 'exports')).toBe(2);
    expect(await admitted(app, '/reports/exports', 5)).toBe(2);
    expect(await admitted(app, '/users/exports', 5)).toBe(0);
  });

  it('shares a bucket on purpose between limits of one id, at whatever cost', async () => {
    const app = await startPlaces();
    expect(remaining(await app.get('/reports/found'), 'search')).toBe(3);
    expect(remaining(await app.get('/users/found'), 'search')).toBe(2);
    expect(remaining(await app.get('/users/dear'), 'search')).toBe(0);
    expect(await admitted(app, '/reports/found', 5)).toBe(0);
  });

  it('shares nothing with another id or with no id, whatever the name and the numbers', async () => {
    const app = await startPlaces();
    expect(await admitted(app, '/reports/found', 5)).toBe(4);
    expect(remaining(await app.get('/users/other'), 'search')).toBe(3);
    expect(remaining(await app.get('/reports/mine'), 'search')).toBe(3);
  });

  it('shares the default of the module by an id with a route that adds it under the same name and numbers', async () => {
    const app = await startPlaces({ default: { capacity: 4, perSeconds: 60, name: 'search', id: 'search' } });
    expect(remaining(await app.get('/bare'), 'search')).toBe(3);
    expect(remaining(await app.get('/reports/found'), 'search')).toBe(2);
    expect(await admitted(app, '/bare', 5)).toBe(2);
  });
});
