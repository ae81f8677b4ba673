import { Controller, Get, type ModuleMetadata, Module, type Type } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { RateLimit, RateLimitModule, type RateLimitStorage } from 'nestjs-token-bucket';
import { admitted, stillStorage } from './support/admission.js';
import type { AppSettings, RunningApp } from './support/app.js';
import { remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';
import { expectMistake } from './support/mistakes.js';
import { reportsController } from './support/places.js';

const LEFT = { default: 3, 'of-class': 7 };

/** What the first request finds in the buckets of the method and of the class. */
async function firstOf({ get }: RunningApp, path: string): Promise<typeof LEFT> {
  const response = await get(path);
  return { default: remaining(response) as number, 'of-class': remaining(response, 'of-class') as number };
}

async function idsOf({ get }: RunningApp, path: string): Promise<readonly string[]> {
  return (await (await get(path)).json()) as readonly string[];
}

function moduleOf(name: string, metadata: ModuleMetadata): Type {
  @Module(metadata)
  class Named {}
  return Object.defineProperty(Named, 'name', { value: name });
}

describe('Controllers of the same name do not share buckets', () => {
  const start = useApps();
  const startWith = (
    imports: readonly Type[],
    storage: RateLimitStorage = stillStorage(),
    settings: AppSettings = {},
  ) => start({ imports: [...imports, RateLimitModule.forRoot({ storage })], ...settings });

  it('in two modules', async () => {
    const app = await startWith([
      moduleOf('SalesModule', { controllers: [reportsController({ path: 'sales' })] }),
      moduleOf('StockModule', { controllers: [reportsController({ path: 'stock' })] }),
    ]);
    expect(await admitted(app, '/sales', 10)).toBe(4);
    expect(await firstOf(app, '/stock')).toEqual(LEFT);
  });

  it('in one module with different paths', async () => {
    const app = await startWith([
      moduleOf('SalesModule', {
        controllers: [reportsController({ path: 'sales' }), reportsController({ path: 'stock' })],
      }),
    ]);
    expect(await admitted(app, '/sales', 10)).toBe(4);
    expect(await firstOf(app, '/stock')).toEqual(LEFT);
  });

  it('in two modules of the same name', async () => {
    const app = await startWith([
      moduleOf('FeatureModule', { controllers: [reportsController({ path: 'sales' })] }),
      moduleOf('FeatureModule', { controllers: [reportsController({ path: 'stock' })] }),
    ]);
    expect(await admitted(app, '/sales', 10)).toBe(4);
    expect(await firstOf(app, '/stock')).toEqual(LEFT);
  });

  it('in one module with different versions of one path', async () => {
    const controllers = ['1', '2', ['3', '4']].map((version) => reportsController({ path: 'reports', version }));
    const app = await startWith([moduleOf('SalesModule', { controllers })], stillStorage(), {
      configure: (nest) => nest.enableVersioning(),
    });
    expect(await admitted(app, '/v1/reports', 10)).toBe(4);
    expect(await firstOf(app, '/v2/reports')).toEqual(LEFT);
    expect(await firstOf(app, '/v3/reports')).toEqual(LEFT);
    // One class that serves two versions is one place.
    expect(await firstOf(app, '/v4/reports')).toEqual({ default: 2, 'of-class': 6 });
  });

  it('in one module with a version and without one', async () => {
    const controllers = [reportsController({ path: 'reports', version: '1' }), reportsController({ path: 'reports' })];
    const app = await startWith([moduleOf('SalesModule', { controllers })], stillStorage(), {
      configure: (nest) => nest.enableVersioning(),
    });
    expect(await admitted(app, '/v1/reports', 10)).toBe(4);
    expect(await firstOf(app, '/reports')).toEqual(LEFT);
  });

  it('but one class that two modules register is one place', async () => {
    const controller = reportsController({ path: 'reports' });
    const app = await startWith([
      moduleOf('StockModule', { controllers: [controller] }),
      moduleOf('SalesModule', { controllers: [controller] }),
    ]);
    expect(await idsOf(app, '/reports')).toEqual([
      'SalesModule/ReportsController/of-class',
      'SalesModule/ReportsController/list/default',
    ]);
    expect(await admitted(app, '/reports', 10)).toBe(3);
  });

  it('and have the same places on every instance, whatever the order of its imports', async () => {
    const both = reportsController({ path: 'both' });
    const sales = moduleOf('SalesModule', {
      controllers: [reportsController({ path: 'sales-1' }), reportsController({ path: 'sales-2' }), both],
    });
    const stock = moduleOf('StockModule', { controllers: [both, reportsController({ path: 'stock' })] });
    const storage = stillStorage();
    const one = await startWith([sales, stock], storage);
    const other = await startWith([stock, sales], storage);

    const paths = ['/sales-1', '/sales-2', '/stock', '/both'];
    const places = await Promise.all(paths.map((path) => idsOf(one, path)));
    expect(await Promise.all(paths.map((path) => idsOf(other, path)))).toEqual(places);
    expect(new Set(places.flat()).size).toBe(8);
    // Both instances have taken one token from every bucket of the storage they share.
    for (const path of paths) expect(await firstOf(one, path)).toEqual({ default: 1, 'of-class': 5 });
  });

  it('and have readable places: the module, the controller, the method', async () => {
    const app = await startWith(
      [moduleOf('SalesModule', { controllers: [reportsController({ path: 'sales', version: '2' })] })],
      stillStorage(),
      { configure: (nest) => nest.enableVersioning() },
    );
    expect(await idsOf(app, '/v2/sales')).toEqual([
      'SalesModule/ReportsController@2/of-class',
      'SalesModule/ReportsController@2/list/default',
    ]);
  });
});

describe('One controller class that two modules serve at paths of their own', () => {
  const start = useApps();

  /** The class in two modules, one below /a and one below /b. */
  const twice = (controllers: readonly [Type, Type], paths: readonly [string, string] = ['a', 'b']): AppSettings => {
    const modules = controllers.map((one, i) => moduleOf(`${'AB'[i]}Module`, { controllers: [one] }));
    return {
      imports: [
        RateLimitModule.forRoot({
          storage: stillStorage(),
          default: { capacity: 9, perSeconds: 60 },
          policies: { exports: { capacity: 5, perSeconds: 60 } },
        }),
        ...modules,
        RouterModule.register(modules.map((module, i) => ({ path: paths[i]!, module }))),
      ],
      controllers: [NamingController],
    };
  };

  @Controller('naming')
  class NamingController {
    @Get() @RateLimit('exports') exports(): string {
      return 'names the shared policy';
    }
  }

  class Reports extends reportsController({ path: 'reports' }) {}
  @Controller('heirs')
  class Heirs extends Reports {}

  it.each([
    ['a class', reportsController({ path: 'reports' })],
    ['a class that inherits them', Heirs],
  ])('is an error at start with limits of its own: %s', (what, controller) =>
    expectMistake(
      what,
      () => twice([controller, controller]),
      `@RateLimit on ${controller.name}`,
      'the modules "AModule", "BModule" serve it at "/a" and at "/b", and which of them a request comes through cannot be told',
      'extend the class once for each module, or give the limit an id to share its bucket on purpose',
    ),
  );

  it('starts where it extends the class once for each', async () => {
    @Controller('reports')
    class AReports extends Reports {}
    @Controller('reports')
    class BReports extends Reports {}
    const app = await start(twice([AReports, BReports]));
    expect(await admitted(app, '/a/reports', 10)).toBe(4);
    expect(await firstOf(app, '/b/reports')).toEqual(LEFT);
  });

  it('starts where its limits are shared on purpose: those of the module, and those of an id', async () => {
    @Controller('shared')
    class SharedController {
      @Get('default') byDefault(): string {
        return 'the default of the module';
      }

      @Get('exports') @RateLimit('exports') exports(): string {
        return 'a shared policy';
      }

      @Get('id') @RateLimit(4, 60, { id: 'ours' }) ofId(): string {
        return 'an id';
      }
    }
    const app = await start(twice([SharedController, SharedController]));
    for (const [path, name, left] of [
      ['default', 'default', 8],
      ['exports', 'exports', 4],
      ['id', 'default', 3],
    ] as const) {
      expect(remaining(await app.get(`/a/shared/${path}`), name)).toBe(left);
      expect(remaining(await app.get(`/b/shared/${path}`), name)).toBe(left - 1);
    }
  });

  it('starts where the paths are one, so that the first answers everything', async () => {
    const controller = reportsController({ path: 'reports' });
    const app = await start(twice([controller, controller], ['a', '/a/']));
    expect(await admitted(app, '/a/reports', 10)).toBe(4);
  });

  it('starts where one dynamic module is imported twice, which has one path', async () => {
    const controller = reportsController({ path: 'reports' });
    const module = moduleOf('FeatureModule', {});
    const feature = (name: string) => ({
      module,
      controllers: [controller],
      providers: [{ provide: name, useValue: name }],
    });
    const app = await start({
      imports: [
        RateLimitModule.forRoot({ storage: stillStorage() }),
        feature('one'),
        feature('other'),
        RouterModule.register([{ path: 'a', module }]),
      ],
    });
    expect(await admitted(app, '/a/reports', 10)).toBe(4);
  });
});
