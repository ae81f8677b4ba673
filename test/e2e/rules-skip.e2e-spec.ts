import { Controller, Get } from '@nestjs/common';
import { RateLimit, RateLimitModule, SkipRateLimit } from 'nestjs-token-bucket';
import { admitted, policiesOf, stillStorage } from './support/admission.js';
import { useApps } from './support/lanes.js';

@Controller('limited')
@RateLimit(4, 60, { name: 'burst' })
@RateLimit('exports')
class LimitedController {
  @Get('bare') bare(): string {
    return 'default, burst and exports';
  }

  @Get('skip-all') @SkipRateLimit() skipAll(): string {
    return 'no limit';
  }

  @Get('skip-one') @SkipRateLimit('burst') skipOne(): string {
    return 'default and exports';
  }

  @Get('skip-two') @SkipRateLimit('default', 'exports') skipTwo(): string {
    return 'burst';
  }

  @Get('two-skips')
  @SkipRateLimit('default')
  @SkipRateLimit('exports')
  twoSkips(): string {
    return 'burst';
  }

  @Get('instead')
  @SkipRateLimit('burst', 'exports')
  @RateLimit(2, 60)
  instead(): string {
    return 'its own limit only';
  }
}

@Controller('skipped')
@SkipRateLimit()
class SkippedController {
  @Get('bare') bare(): string {
    return 'no limit';
  }

  @Get('own') @RateLimit(3, 60) own(): string {
    return 'its own limit';
  }

  @Get('named') @RateLimit(3, 60, { name: 'burst' }) named(): string {
    return 'its own limit and not the default';
  }

  @Get('shared') @RateLimit('exports') shared(): string {
    return 'the shared policy and not the default';
  }
}

@Controller('partly')
@SkipRateLimit('default')
@RateLimit(5, 60, { name: 'hourly' })
class PartlyController {
  @Get('bare') bare(): string {
    return 'hourly';
  }

  @Get('own') @RateLimit(2, 60) own(): string {
    return 'hourly and a default of its own';
  }
}

@Controller('heir')
@SkipRateLimit('hourly')
class HeirController extends PartlyController {}

describe('@SkipRateLimit()', () => {
  const start = useApps();
  const startSkips = () =>
    start({
      imports: [
        RateLimitModule.forRoot({
          storage: stillStorage(),
          default: { capacity: 6, perSeconds: 60 },
          policies: { exports: { capacity: 5, perSeconds: 60 } },
        }),
      ],
      controllers: [LimitedController, SkippedController, PartlyController, HeirController],
    });

  it.each([
    ['lifts every limit of the module and the class from a method', '/limited/skip-all', []],
    ['lifts the limits it names and leaves the others', '/limited/skip-one', ['default', 'exports']],
    ['lifts several limits of different places by name', '/limited/skip-two', ['burst']],
    ['may stand several times on one target', '/limited/two-skips', ['burst']],
    ['stands beside a limit of another name on the same method', '/limited/instead', ['default']],
    ['lifts the limits of the module from a whole class', '/skipped/bare', []],
    ['on a class leaves an unnamed limit of a method in force', '/skipped/own', ['default']],
    ['on a class leaves a named limit of a method in force, without the default', '/skipped/named', ['burst']],
    ['on a class leaves a shared policy of a method in force, without the default', '/skipped/shared', ['exports']],
    ['on a class lifts by name what the module says', '/partly/bare', ['hourly']],
    ['on a class says nothing of a limit that a method sets under that name', '/partly/own', ['hourly', 'default']],
    ['on a subclass lifts what the class it extends says', '/heir/bare', []],
    ['does not reach routes that have none', '/limited/bare', ['default', 'burst', 'exports']],
  ])('%s', async (_behaviour, path, policies) => {
    expect(await policiesOf(await startSkips(), path)).toEqual(policies);
  });

  it('charges nothing for what it lifts', async () => {
    const app = await startSkips();
    expect(await admitted(app, '/limited/skip-all', 20)).toBe(20);
    expect(await admitted(app, '/limited/skip-two', 3)).toBe(3);
    // Of the four tokens of burst three are gone; default and exports were not asked.
    expect(await admitted(app, '/limited/bare', 10)).toBe(1);
    expect(await admitted(app, '/limited/skip-one', 10)).toBe(4);
  });
});
