import { Controller, Get } from '@nestjs/common';
import { RateLimit, RateLimitModule, type RateLimitModuleOptions } from 'nestjs-token-bucket';
import { admitted, policiesOf, stillStorage } from './support/admission.js';
import { members, remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';

@Controller('plain')
class PlainController {
  @Get('own') @RateLimit(7, 60) own(): string {
    return 'a limit without a name';
  }

  @Get('named') @RateLimit(3, 60, { name: 'burst' }) named(): string {
    return 'a limit with a name';
  }

  @Get('both')
  @RateLimit(4, 60)
  @RateLimit(6, 60, { name: 'burst' })
  both(): string {
    return 'one of each';
  }

  @Get('costly') @RateLimit(7, 60, { cost: 3 }) costly(): string {
    return 'three tokens';
  }

  @Get('bare') bare(): string {
    return 'no limit of its own';
  }
}

@Controller('classed')
@RateLimit(4, 60)
@RateLimit(9, 60, { name: 'burst' })
class ClassedController {
  @Get('bare') bare(): string {
    return 'the limits of the class';
  }

  @Get('own') @RateLimit(6, 60) own(): string {
    return 'instead of the unnamed limit of the class';
  }

  @Get('burst') @RateLimit(2, 60, { name: 'burst' }) burst(): string {
    return 'instead of the named limit of the class';
  }

  @Get('hourly') @RateLimit(3, 3600, { name: 'hourly' }) hourly(): string {
    return 'as well as both limits of the class';
  }
}

const DEFAULT = { capacity: 5, perSeconds: 60 };

describe('Which limits apply', () => {
  const start = useApps();
  const startWith = (options: RateLimitModuleOptions) =>
    start({
      imports: [RateLimitModule.forRoot({ storage: stillStorage(), ...options })],
      controllers: [PlainController, ClassedController],
    });

  it('gives every route without a limit of its own the default of the module', async () => {
    const app = await startWith({ default: DEFAULT });
    expect(await policiesOf(app, '/plain/bare')).toEqual(['default']);
    expect(await admitted(app, '/plain/bare', 10)).toBe(4);
  });

  it('limits only decorated routes where the module has no default', async () => {
    const app = await startWith({});
    const response = await app.get('/plain/bare');
    expect(response.status).toBe(200);
    expect(members(response, 'RateLimit-Policy')).toEqual({});
    expect(response.headers.has('X-RateLimit-Limit')).toBe(false);
    expect(await admitted(app, '/plain/bare', 50)).toBe(50);
    expect(await policiesOf(app, '/plain/own')).toEqual(['default']);
  });

  it('takes an unnamed limit on a method instead of the default, also a wider one', async () => {
    const app = await startWith({ default: DEFAULT });
    expect(members(await app.get('/plain/own'), 'RateLimit-Policy')).toEqual({ default: { q: 7, w: 60 } });
    expect(await admitted(app, '/plain/own', 10)).toBe(6);
    expect(await admitted(app, '/plain/bare', 10)).toBe(5);
  });

  it('takes an unnamed limit on a class instead of the default', async () => {
    const app = await startWith({ default: { capacity: 2, perSeconds: 60 } });
    expect(members(await app.get('/classed/bare'), 'RateLimit-Policy')).toEqual({
      default: { q: 4, w: 60 },
      burst: { q: 9, w: 60 },
    });
    expect(await admitted(app, '/classed/bare', 10)).toBe(3);
    expect(await admitted(app, '/plain/bare', 10)).toBe(2);
  });

  it('takes an unnamed limit on a method instead of that of its class', async () => {
    const app = await startWith({ default: { capacity: 2, perSeconds: 60 } });
    expect(members(await app.get('/classed/own'), 'RateLimit-Policy')['default']).toEqual({ q: 6, w: 60 });
    expect(await admitted(app, '/classed/own', 10)).toBe(5);
    expect(remaining(await app.get('/classed/bare'))).toBe(3);
  });

  it('takes a named limit on a method instead of that of its class with the same name', async () => {
    const app = await startWith({});
    expect(members(await app.get('/classed/burst'), 'RateLimit-Policy')).toEqual({
      default: { q: 4, w: 60 },
      burst: { q: 2, w: 60 },
    });
    expect(await admitted(app, '/classed/burst', 10)).toBe(1);
  });

  it('adds a named limit on a method to the default: each of them can refuse', async () => {
    const app = await startWith({ default: DEFAULT });
    expect(await policiesOf(app, '/plain/named')).toEqual(['default', 'burst']);
    expect(await admitted(app, '/plain/named', 10)).toBe(2);
    // Three of the default's five tokens are gone with the three requests that both admitted.
    expect(await admitted(app, '/plain/bare', 10)).toBe(2);
  });

  it('adds limits of different names on one method', async () => {
    const app = await startWith({ default: { capacity: 1, perSeconds: 60 } });
    expect(await policiesOf(app, '/plain/both')).toEqual(['default', 'burst']);
    expect(await admitted(app, '/plain/both', 10)).toBe(3);
  });

  it('adds limits of different names on a class and on its method', async () => {
    const app = await startWith({});
    expect(await policiesOf(app, '/classed/hourly')).toEqual(['default', 'burst', 'hourly']);
    expect(await admitted(app, '/classed/hourly', 10)).toBe(2);
  });

  it('takes as many tokens as a request costs', async () => {
    const app = await startWith({});
    expect(remaining(await app.get('/plain/costly'))).toBe(4);
    expect(await admitted(app, '/plain/costly', 10)).toBe(1);
  });

  it('counts a default with a name under that name, so that unnamed limits stand beside it', async () => {
    const app = await startWith({ default: { ...DEFAULT, name: 'overall' } });
    expect(await policiesOf(app, '/plain/bare')).toEqual(['overall']);
    expect(await policiesOf(app, '/plain/own')).toEqual(['overall', 'default']);
    expect(await admitted(app, '/plain/own', 10)).toBe(3);
  });

  it('replaces a default with a name by a limit of that name', async () => {
    const app = await startWith({ default: { capacity: 1, perSeconds: 60, name: 'burst' } });
    expect(members(await app.get('/plain/named'), 'RateLimit-Policy')).toEqual({ burst: { q: 3, w: 60 } });
    expect(await admitted(app, '/plain/named', 10)).toBe(2);
  });

  it('counts every client by itself', async () => {
    const app = await startWith({ default: DEFAULT });
    expect(await admitted(app, '/plain/bare', 10, '203.0.113.1')).toBe(5);
    expect(await admitted(app, '/plain/bare', 10, '203.0.113.2')).toBe(5);
  });
});
