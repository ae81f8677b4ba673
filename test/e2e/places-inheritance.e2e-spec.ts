import { Controller, Get, type Type } from '@nestjs/common';
import { Decision, RateLimit, RateLimitDecision, RateLimitModule, SkipRateLimit } from 'nestjs-token-bucket';
import { admitted, policiesOf, stillStorage } from './support/admission.js';
import { members, remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';
import { policyIds } from './support/places.js';

/** Not a controller itself: what several controllers have in common. */
@RateLimit(8, 60, { name: 'of-class' })
abstract class CrudController {
  @Get()
  @RateLimit(4, 60)
  list(@RateLimitDecision() decision: Decision): readonly string[] {
    return policyIds(decision);
  }

  @Get('bare') bare(): string {
    return 'the limit of the class only';
  }
}

@Controller('cats')
class CatsController extends CrudController {}

@Controller('dogs')
class DogsController extends CrudController {}

@Controller('fish')
class FishController extends CrudController {
  @Get()
  @RateLimit(2, 60)
  override list(@RateLimitDecision() decision: Decision): readonly string[] {
    return policyIds(decision);
  }
}

@Controller('birds')
@RateLimit(3, 60, { name: 'of-birds' })
class BirdsController extends CrudController {}

@Controller('mice')
@RateLimit(5, 60, { name: 'of-class' })
class MiceController extends CrudController {}

@Controller('house-mice')
@RateLimit(6, 60, { name: 'of-house' })
class HouseMiceController extends MiceController {}

describe('Controllers that extend a class', () => {
  const start = useApps();
  const startZoo = () =>
    start({
      imports: [RateLimitModule.forRoot({ storage: stillStorage() })],
      controllers: [
        MiceController,
        HouseMiceController,
        BirdsController,
        CatsController,
        DogsController,
        FishController,
      ],
    });

  it('have a bucket each for the limit of a method that they inherit', async () => {
    const app = await startZoo();
    expect(await admitted(app, '/cats', 10)).toBe(4);
    expect(remaining(await app.get('/dogs'))).toBe(3);
    expect(await (await app.get('/dogs')).json()).toEqual([
      'RootTestModule/DogsController/of-class',
      'RootTestModule/DogsController/list/default',
    ]);
  });

  it('set another limit by overriding the method', async () => {
    const app = await startZoo();
    expect(members(await app.get('/fish'), 'RateLimit-Policy')).toEqual({
      'of-class': { q: 8, w: 60 },
      default: { q: 2, w: 60 },
    });
    expect(await admitted(app, '/fish', 10)).toBe(1);
    expect(await admitted(app, '/cats', 10)).toBe(4);
  });

  it('have a bucket each for the limit of the class that they extend', async () => {
    const app = await startZoo();
    expect(await admitted(app, '/cats/bare', 10)).toBe(8);
    expect(remaining(await app.get('/dogs/bare'), 'of-class')).toBe(7);
    expect(remaining(await app.get('/fish/bare'), 'of-class')).toBe(7);
  });

  it('add their own limits to those of the class that they extend, the farther first', async () => {
    const app = await startZoo();
    expect(await policiesOf(app, '/birds/bare')).toEqual(['of-class', 'of-birds']);
    expect(await admitted(app, '/birds/bare', 10)).toBe(2);
  });

  it('never change the limits of the class that they extend or of their siblings', async () => {
    const app = await startZoo();
    expect(await policiesOf(app, '/cats/bare')).toEqual(['of-class']);
    expect(await policiesOf(app, '/mice/bare')).toEqual(['of-class']);
    expect(await admitted(app, '/house-mice/bare', 10)).toBe(5);
    expect(remaining(await app.get('/mice/bare'), 'of-class')).toBe(3);
  });

  it('replace a limit of the class that they extend by one of the same name', async () => {
    const app = await startZoo();
    expect(members(await app.get('/mice/bare'), 'RateLimit-Policy')).toEqual({ 'of-class': { q: 5, w: 60 } });
    expect(await admitted(app, '/mice/bare', 10)).toBe(4);
    expect(members(await app.get('/house-mice/bare'), 'RateLimit-Policy')).toEqual({
      'of-class': { q: 5, w: 60 },
      'of-house': { q: 6, w: 60 },
    });
  });
});

describe('A method that a class inherits and decorates by code', () => {
  const start = useApps();

  const decorate = (type: Type, method: string, decorator: MethodDecorator): void => {
    const prototype = type.prototype as object;
    decorator(prototype, method, { value: Reflect.get(prototype, method) as unknown });
  };

  @Controller('sharks')
  class SharksController extends FishController {}
  decorate(SharksController, 'list', RateLimit(1, 60, { name: 'of-sharks' }));

  @Controller('sea')
  class SeaController extends SharksController {}
  decorate(SeaController, 'list', RateLimit(5, 60));
  decorate(SeaController, 'bare', SkipRateLimit('of-class'));

  @Controller('rays')
  class RaysController extends SeaController {
    @Get() override list(@RateLimitDecision() decision: Decision): readonly string[] {
      return policyIds(decision);
    }
  }

  const startSea = () =>
    start({
      imports: [RateLimitModule.forRoot({ storage: stillStorage() })],
      controllers: [FishController, SharksController, SeaController, RaysController],
    });

  it('has these limits beside those that it inherits', async () => {
    const app = await startSea();
    expect(await policiesOf(app, '/sharks')).toEqual(['of-class', 'default', 'of-sharks']);
    expect((await app.get('/sharks')).status).toBe(429);
  });

  it('has them in a class that extends this one, whose own replace those of their name', async () => {
    const app = await startSea();
    expect(members(await app.get('/sea'), 'RateLimit-Policy')).toEqual({
      'of-class': { q: 8, w: 60 },
      'of-sharks': { q: 1, w: 60 },
      default: { q: 5, w: 60 },
    });
    expect(await policiesOf(app, '/sea/bare')).toEqual([]);
  });

  it('has them neither in the class that it is inherited from nor where it is overridden', async () => {
    const app = await startSea();
    expect(await policiesOf(app, '/fish')).toEqual(['of-class', 'default']);
    expect(await policiesOf(app, '/rays')).toEqual(['of-class']);
    expect(await policiesOf(app, '/sharks/bare')).toEqual(['of-class']);
  });
});
