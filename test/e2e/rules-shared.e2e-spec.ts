import { Controller, Get } from '@nestjs/common';
import { RateLimit, RateLimitModule, type RateLimitModuleOptions } from 'nestjs-token-bucket';
import { admitted, policiesOf, stillStorage } from './support/admission.js';
import { members, remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';

@Controller('single')
class SingleController {
  @Get('exports') @RateLimit('exports') exports(): string {
    return 'the shared policy';
  }

  @Get('dear') @RateLimit('exports', { cost: 2 }) dear(): string {
    return 'at twice its cost';
  }

  @Get('bare') bare(): string {
    return 'without it';
  }
}

@Controller('twice')
@RateLimit('exports')
class TwiceController {
  @Get('bare') bare(): string {
    return 'by the class';
  }

  @Get('again') @RateLimit('exports') again(): string {
    return 'by the class and by the method';
  }

  @Get('dear') @RateLimit('exports', { cost: 3 }) dear(): string {
    return 'at the cost of the nearer place';
  }

  @Get('own') @RateLimit(2, 60, { name: 'exports' }) own(): string {
    return 'a limit of its own with the same name';
  }
}

@Controller('order')
@RateLimit(90, 60, { name: 'class-first' })
@RateLimit('shared-a')
@RateLimit(80, 60, { name: 'class-last' })
class OrderController {
  @Get('bare') bare(): string {
    return 'the limits of the class';
  }

  @Get('more')
  @RateLimit(70, 60, { name: 'method-first' })
  @RateLimit('shared-b')
  @RateLimit(60, 60, { name: 'method-last' })
  more(): string {
    return 'limits of every place';
  }

  @Get('nearer')
  @RateLimit(50, 60, { name: 'method-first' })
  @RateLimit(40, 60, { name: 'class-first' })
  @RateLimit(30, 60)
  nearer(): string {
    return 'a limit that takes the name of a farther one';
  }
}

describe('Shared policies and the order of policies', () => {
  const start = useApps();
  const startShared = (options: RateLimitModuleOptions = {}) =>
    start({
      imports: [
        RateLimitModule.forRoot({
          storage: stillStorage(),
          policies: { exports: { capacity: 4, perSeconds: 60 } },
          ...options,
        }),
      ],
      controllers: [SingleController, TwiceController],
    });

  it('adds a shared policy to the default of the module', async () => {
    const app = await startShared({ default: { capacity: 6, perSeconds: 60 } });
    expect(await policiesOf(app, '/single/exports')).toEqual(['default', 'exports']);
    expect(await admitted(app, '/single/exports', 10)).toBe(3);
    expect(await admitted(app, '/single/bare', 10)).toBe(2);
  });

  it('leaves a route alone that does not name the shared policy', async () => {
    const app = await startShared();
    expect(await policiesOf(app, '/single/bare')).toEqual([]);
    expect(await admitted(app, '/single/bare', 20)).toBe(20);
  });

  it('counts a shared policy once that the class and the method name', async () => {
    const app = await startShared();
    const response = await app.get('/twice/again');
    expect(members(response, 'RateLimit-Policy')).toEqual({ exports: { q: 4, w: 60 } });
    expect(remaining(response, 'exports')).toBe(3);
    expect(await admitted(app, '/twice/again', 10)).toBe(3);
  });

  it('takes the cost of the use, and of two uses that of the nearer place', async () => {
    const app = await startShared();
    expect(remaining(await app.get('/single/dear', '203.0.113.1'), 'exports')).toBe(2);
    expect(remaining(await app.get('/twice/bare', '203.0.113.2'), 'exports')).toBe(3);
    expect(remaining(await app.get('/twice/dear', '203.0.113.3'), 'exports')).toBe(1);
  });

  it('takes the cost that the policy declares where a use says none', async () => {
    const app = await startShared({ policies: { exports: { capacity: 9, perSeconds: 60, cost: 4 } } });
    expect(remaining(await app.get('/single/exports', '203.0.113.1'), 'exports')).toBe(5);
    expect(remaining(await app.get('/single/dear', '203.0.113.2'), 'exports')).toBe(7);
  });

  it('replaces the shared policy of a class by a limit of the method with the same name', async () => {
    const app = await startShared();
    expect(members(await app.get('/twice/own'), 'RateLimit-Policy')).toEqual({ exports: { q: 2, w: 60 } });
    expect(await admitted(app, '/twice/own', 10)).toBe(1);
    expect(await admitted(app, '/twice/bare', 10)).toBe(4);
  });

  describe('in the header fields', () => {
    const startOrder = () =>
      start({
        imports: [
          RateLimitModule.forRoot({
            storage: stillStorage(),
            default: { capacity: 100, perSeconds: 60 },
            policies: {
              'shared-b': { capacity: 10, perSeconds: 60 },
              'shared-a': { capacity: 20, perSeconds: 60 },
            },
          }),
        ],
        controllers: [OrderController],
      });

    it('lists the module, then the class, then the method, each from top to bottom', async () => {
      const app = await startOrder();
      expect(await policiesOf(app, '/order/bare')).toEqual(['default', 'class-first', 'shared-a', 'class-last']);
      expect(await policiesOf(app, '/order/more')).toEqual([
        'default',
        'class-first',
        'shared-a',
        'class-last',
        'method-first',
        'shared-b',
        'method-last',
      ]);
    });

    it('lists a nearer limit where it is declared, not where the one stood that it replaces', async () => {
      const app = await startOrder();
      expect(members(await app.get('/order/nearer'), 'RateLimit-Policy')).toEqual({
        'shared-a': { q: 20, w: 60 },
        'class-last': { q: 80, w: 60 },
        'method-first': { q: 50, w: 60 },
        'class-first': { q: 40, w: 60 },
        default: { q: 30, w: 60 },
      });
      expect(await policiesOf(app, '/order/nearer')).toEqual([
        'shared-a',
        'class-last',
        'method-first',
        'class-first',
        'default',
      ]);
    });
  });
});
