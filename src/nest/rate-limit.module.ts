import {
  type DynamicModule,
  Global,
  Inject,
  Logger,
  Module,
  type ModuleMetadata,
  type BeforeApplicationShutdown,
  type OnApplicationShutdown,
  type OnModuleInit,
  Optional,
  type Provider,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { misconfigured, RateLimitConfigurationError } from '../core/errors.js';
import { overridesOf } from '../core/overrides/overrides.js';
import { RateLimitOverrides } from '../core/overrides/rate-limit-overrides.js';
import { RateLimiter, type RateLimiterOptions } from '../core/rate-limiter.js';
import { RateLimitStorage } from '../core/storage.js';
import { SystemTimers } from '../core/timers.js';
import { MemoryStorage } from '../storage/memory/memory.storage.js';
import { OutageStorage } from '../storage/outage/outage.storage.js';
import { AddressTrust } from './address-trust.js';
import { ControllerPlaces } from './controller-places.js';
import { MountCheck } from './mount-check.js';
import { NamedLimitersModule } from './named-limiters.module.js';
import { PolicyLimiters } from './policy-limiters.js';
import { PolicyTable } from './observing/policy-table.js';
import { RouteObserver } from './observing/route-observer.js';
import { makeOverrides } from './overrides-option.js';
import { PolicyRegistry } from './policy-registry.js';
import { ProblemFilter } from './problem.filter.js';
import { asyncProviders, type RateLimitModuleAsyncOptions } from './rate-limit.async-options.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimitInterceptor } from './rate-limit.interceptor.js';
import { RateLimitMount } from './rate-limit.mount.js';
import {
  RATE_LIMIT_OPTIONS,
  type RateLimitModuleOptions,
  type ResolvedRateLimitOptions,
  resolveOptions,
} from './rate-limit.options.js';
import { RouteCharger } from './route-charger.js';
import { RoutePlans } from './route-plan.js';
import { RouteQueue } from './route-queue.js';
import { ScopeCheck } from './scope-check.js';
import { Settlement } from './settlement.js';
import { StartCheck } from './start-check.js';
import { HttpAnswer } from './transports/http-answer.js';

const PROVIDERS: Provider[] = [
  {
    provide: RateLimitStorage,
    useFactory: ({ storage }: ResolvedRateLimitOptions) => storage ?? new MemoryStorage(),
    inject: [RATE_LIMIT_OPTIONS],
  },
  {
    provide: RateLimiter,
    useFactory: (storage: RateLimitStorage, registry: PolicyRegistry, options: ResolvedRateLimitOptions) =>
      new RateLimiter(withOutages(storage, options), registry.inCode.policies, {
        ...withOverrides(storage, options),
        groups: registry.inCode.groups,
      }),
    inject: [RateLimitStorage, PolicyRegistry, RATE_LIMIT_OPTIONS],
  },
  {
    provide: RateLimitOverrides,
    useFactory: (limiter: RateLimiter, { overrides }: ResolvedRateLimitOptions) => makeOverrides(limiter, overrides),
    inject: [RateLimiter, RATE_LIMIT_OPTIONS],
  },
  SystemTimers,
  PolicyRegistry,
  PolicyLimiters,
  ControllerPlaces,
  RoutePlans,
  AddressTrust,
  HttpAnswer,
  RouteObserver,
  RouteQueue,
  RouteCharger,
  Settlement,
  RateLimitGuard,
  RateLimitInterceptor,
  ProblemFilter,
  RateLimitMount,
  MountCheck,
  ScopeCheck,
  StartCheck,
  PolicyTable,
];

/** Rate limiting for the whole application: import `RateLimitModule.forRoot(…)` once, in the root module. */
@Global()
@Module({})
export class RateLimitModule implements OnModuleInit, BeforeApplicationShutdown, OnApplicationShutdown {
  private opening: Promise<void> | undefined;

  constructor(
    @Optional() @Inject(StartCheck) private readonly startCheck: StartCheck | undefined,
    @Optional() @Inject(RateLimiter) private readonly limiter: RateLimiter | undefined,
    @Optional() @Inject(PolicyLimiters) private readonly policyLimiters: PolicyLimiters | undefined,
    @Optional() @Inject(RateLimitOverrides) private readonly overrides: RateLimitOverrides | undefined,
    @Inject(HttpAdapterHost) host: HttpAdapterHost,
  ) {
    if (host.listening) throw loadedTooLate();
    if (startCheck === undefined) {
      misconfigured(
        'imports: [RateLimitModule]',
        'the module was imported without its options',
        'import RateLimitModule.forRoot(…) or forRootAsync(…) once, in the root module; it is global, so other modules need no import',
      );
    }
    // Loaded between the making of the routes and listening, it cannot be told yet; but it is never initialised.
    host.listen$.subscribe(() => {
      if (this.opening === undefined) new Logger('RateLimit').error(loadedTooLate().message);
    });
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
    if (this.limiter?.storage instanceof OutageStorage) this.startCheck?.tellOfInstances();
    this.opening = this.open();
    await this.opening;
  }

  /** Before Nest waits for the requests that are under way: those that wait for tokens may have to wait for long. */
  beforeApplicationShutdown(): void {
    this.policyLimiters?.close();
  }

  /** Also when the application is closed while it starts: what is being opened is closed as soon as it is open. */
  async onApplicationShutdown(): Promise<void> {
    // While what they give back can still be told to the storage.
    this.overrides?.close();
    const { opening } = this;
    this.opening = undefined;
    const opened = await opening?.then(
      () => true,
      () => false,
    );
    if (opened === true) await this.limiter?.storage.close();
  }

  private async open(): Promise<void> {
    await this.limiter?.storage.open();
    await this.overrides?.open();
  }
}

/** Memory is never away. */
function withOutages(storage: RateLimitStorage, { onStorageFailure, instances }: ResolvedRateLimitOptions) {
  if (storage instanceof MemoryStorage) return storage;
  return new OutageStorage(storage, { onStorageFailure, instances: instances ?? 1 });
}

/** @throws RateLimitConfigurationError for a storage that does not keep them */
function withOverrides(storage: RateLimitStorage, { overrides, where }: ResolvedRateLimitOptions): RateLimiterOptions {
  if (overrides !== undefined) overridesOf(storage, `${where} overrides`);
  return { overrides: overrides !== undefined };
}

function loadedTooLate(): RateLimitConfigurationError {
  return new RateLimitConfigurationError(
    'RateLimitModule: it was loaded after the routes of the application had been made, so it limits none of them. ' +
      'Remedy: import it in the root module instead of loading it lazily.',
  );
}

function dynamicModule(options: Provider[], imports: ModuleMetadata['imports'] = []): DynamicModule {
  return {
    module: RateLimitModule,
    imports: [...imports, NamedLimitersModule],
    providers: [...options, ...PROVIDERS],
    // What a guard or interceptor needs that users mount in their own modules.
    exports: [
      RATE_LIMIT_OPTIONS,
      RateLimitStorage,
      RateLimiter,
      RateLimitOverrides,
      PolicyLimiters,
      RoutePlans,
      HttpAnswer,
      RouteObserver,
      RouteCharger,
      RouteQueue,
      Settlement,
      RateLimitGuard,
      RateLimitInterceptor,
    ],
  };
}
