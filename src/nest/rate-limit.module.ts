import {
  type DynamicModule,
  Global,
  Inject,
  type InjectionToken,
  Module,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type OnModuleInit,
  Optional,
  type OptionalFactoryDependency,
  type Provider,
  type Type,
} from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { misconfigured } from '../core/errors.js';
import { RateLimiter } from '../core/rate-limiter.js';
import { RateLimitStorage } from '../core/storage.js';
import { MemoryStorage } from '../storage/memory/memory.storage.js';
import { AddressTrust } from './address-trust.js';
import { ControllerPlaces } from './controller-places.js';
import { MountCheck } from './mount-check.js';
import { PolicyRegistry } from './policy-registry.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimitInterceptor } from './rate-limit.interceptor.js';
import {
  RATE_LIMIT_OPTIONS,
  type RateLimitModuleOptions,
  type RateLimitOptionsFactory,
  type ResolvedRateLimitOptions,
  resolveOptions,
} from './rate-limit.options.js';
import { RouteCharger } from './route-charger.js';
import { RoutePlans } from './route-plan.js';
import { StartCheck } from './start-check.js';
import { HttpAnswer } from './transports/http-answer.js';

/** What `RateLimitModule.forRootAsync` takes: exactly one of the three ways to come by options. */
export interface RateLimitModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly useFactory?: (
    // Injected values have whatever types the application gives them.
    ...injected: never[]
  ) => RateLimitModuleOptions | Promise<RateLimitModuleOptions>;
  readonly inject?: (InjectionToken | OptionalFactoryDependency)[];
  readonly useClass?: Type<RateLimitOptionsFactory>;
  readonly useExisting?: InjectionToken<RateLimitOptionsFactory>;
}

/**
 * Mounts in its constructor, into the application's own configuration: providers are constructed before Nest registers
 * any `APP_GUARD` or `APP_INTERCEPTOR`, so ours come first whatever the order of imports.
 */
class RateLimitMount {
  constructor(
    config: ApplicationConfig,
    options: ResolvedRateLimitOptions,
    guard: RateLimitGuard,
    interceptor: RateLimitInterceptor,
  ) {
    if (!options.global) return;
    config.addGlobalGuard(guard);
    if (options.headers.writtenBy === 'interceptor') config.addGlobalInterceptor(interceptor);
  }
}

const OPTIONS_FACTORY = Symbol.for('nestjs-token-bucket:options-factory');

const PROVIDERS: Provider[] = [
  {
    provide: RateLimitStorage,
    useFactory: ({ storage }: ResolvedRateLimitOptions) => storage ?? new MemoryStorage(),
    inject: [RATE_LIMIT_OPTIONS],
  },
  {
    provide: PolicyRegistry,
    useFactory: (options: ResolvedRateLimitOptions) => new PolicyRegistry(options),
    inject: [RATE_LIMIT_OPTIONS],
  },
  {
    provide: RateLimiter,
    useFactory: (storage: RateLimitStorage, registry: PolicyRegistry) =>
      new RateLimiter(storage, registry.sharedPolicies),
    inject: [RateLimitStorage, PolicyRegistry],
  },
  {
    provide: ControllerPlaces,
    useFactory: (modules: ModulesContainer) => new ControllerPlaces(modules),
    inject: [ModulesContainer],
  },
  {
    provide: RoutePlans,
    useFactory: (registry: PolicyRegistry, places: ControllerPlaces) => new RoutePlans(registry, places),
    inject: [PolicyRegistry, ControllerPlaces],
  },
  AddressTrust,
  HttpAnswer,
  RouteCharger,
  RateLimitGuard,
  RateLimitInterceptor,
  {
    provide: RateLimitMount,
    useFactory: (...parts: ConstructorParameters<typeof RateLimitMount>) => new RateLimitMount(...parts),
    inject: [ApplicationConfig, RATE_LIMIT_OPTIONS, RateLimitGuard, RateLimitInterceptor],
  },
  MountCheck,
  StartCheck,
];

/** Rate limiting for the whole application: import `RateLimitModule.forRoot(…)` once, in the root module. */
@Global()
@Module({})
export class RateLimitModule implements OnModuleInit, OnApplicationShutdown {
  private opened = false;

  constructor(
    @Optional() @Inject(StartCheck) private readonly startCheck: StartCheck | undefined,
    @Optional() @Inject(RateLimitStorage) private readonly storage: RateLimitStorage | undefined,
  ) {
    if (startCheck === undefined) {
      misconfigured(
        'imports: [RateLimitModule]',
        'the module was imported without its options',
        'import RateLimitModule.forRoot(…) or forRootAsync(…) once, in the root module; it is global, so other modules need no import',
      );
    }
  }

  /** @throws RateLimitConfigurationError when the application starts, for options that cannot mean anything sensible. */
  static forRoot(options: RateLimitModuleOptions = {}): DynamicModule {
    const resolved = resolveOptions(options, 'RateLimitModule.forRoot');
    return dynamicModule([{ provide: RATE_LIMIT_OPTIONS, useValue: resolved }]);
  }

  /** The same with options that are known later, for example from a configuration service. */
  static forRootAsync(options: RateLimitModuleAsyncOptions): DynamicModule {
    return dynamicModule(asyncProviders(options), options.imports);
  }

  async onModuleInit(): Promise<void> {
    this.startCheck?.run(RateLimitModule);
    await this.storage?.open();
    this.opened = true;
  }

  async onApplicationShutdown(): Promise<void> {
    if (!this.opened) return;
    this.opened = false;
    await this.storage?.close();
  }
}

function dynamicModule(options: Provider[], imports: ModuleMetadata['imports'] = []): DynamicModule {
  return {
    module: RateLimitModule,
    imports,
    providers: [...options, ...PROVIDERS],
    // What a guard or interceptor needs that users mount in their own modules.
    exports: [
      RATE_LIMIT_OPTIONS,
      RateLimitStorage,
      RateLimiter,
      RoutePlans,
      HttpAnswer,
      RouteCharger,
      RateLimitGuard,
      RateLimitInterceptor,
    ],
  };
}

function asyncProviders(options: RateLimitModuleAsyncOptions): Provider[] {
  const { useFactory, useClass, useExisting, inject = [] } = options;
  const where = 'RateLimitModule.forRootAsync';
  if ([useFactory, useClass, useExisting].filter((way) => way !== undefined).length !== 1) {
    misconfigured(where, 'expected exactly one of useFactory, useClass and useExisting', 'keep one of the three');
  }
  if (useFactory !== undefined) {
    const make = useFactory as (
      ...injected: unknown[]
    ) => ReturnType<NonNullable<RateLimitModuleAsyncOptions['useFactory']>>;
    return [
      {
        provide: RATE_LIMIT_OPTIONS,
        useFactory: async (...injected: unknown[]) => resolveOptions(await make(...injected), where),
        inject,
      },
    ];
  }
  const fromFactory: Provider = {
    provide: RATE_LIMIT_OPTIONS,
    useFactory: async (factory: RateLimitOptionsFactory) =>
      resolveOptions(await factory.createRateLimitOptions(), where),
    inject: [useExisting ?? OPTIONS_FACTORY],
  };
  return useClass === undefined ? [fromFactory] : [{ provide: OPTIONS_FACTORY, useClass }, fromFactory];
}
