import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency, Provider, Type } from '@nestjs/common';
import { misconfigured } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import {
  RATE_LIMIT_OPTIONS,
  type RateLimitModuleOptions,
  type RateLimitOptionsFactory,
  resolveOptions,
} from './rate-limit.options.js';
import { kindOf } from './subjects/subject.js';

/** What `RateLimitModule.forRootAsync` takes: exactly one of the three ways to come by options. */
export interface RateLimitModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly useFactory?: (
    // Injected values have whatever types the application gives them.
    ...injected: never[]
  ) => RateLimitModuleOptions | Promise<RateLimitModuleOptions>;
  /** What `useFactory` is called with; of no meaning beside the other two. */
  readonly inject?: (InjectionToken | OptionalFactoryDependency)[];
  readonly useClass?: Type<RateLimitOptionsFactory>;
  readonly useExisting?: InjectionToken<RateLimitOptionsFactory>;
}

const KNOWN: readonly string[] = ['imports', 'useFactory', 'inject', 'useClass', 'useExisting'];
const OPTIONS_FACTORY = Symbol.for('nestjs-token-bucket:options-factory');

/** The providers that make the resolved options. */
export function asyncProviders(options: RateLimitModuleAsyncOptions): Provider[] {
  const where = 'RateLimitModule.forRootAsync';
  checkOptions(options, KNOWN, where);
  const { useFactory, useClass, useExisting, inject } = options;
  if ([useFactory, useClass, useExisting].filter((way) => way !== undefined).length !== 1) {
    misconfigured(where, 'expected exactly one of useFactory, useClass and useExisting', 'keep one of the three');
  }
  if (useFactory === undefined && inject !== undefined) {
    misconfigured(
      where,
      `inject stands beside ${useClass === undefined ? 'useExisting' : 'useClass'}, and only useFactory is given what it names`,
      'let the class take the providers in its constructor, or use useFactory',
    );
  }
  if (useFactory !== undefined) {
    const make = useFactory as (
      ...injected: unknown[]
    ) => ReturnType<NonNullable<RateLimitModuleAsyncOptions['useFactory']>>;
    return [
      {
        provide: RATE_LIMIT_OPTIONS,
        useFactory: async (...injected: unknown[]) => resolveOptions(await make(...injected), where),
        inject: inject ?? [],
      },
    ];
  }
  const fromFactory: Provider = {
    provide: RATE_LIMIT_OPTIONS,
    useFactory: async (factory: unknown) => {
      checkFactory(factory, `${where} ${useClass === undefined ? 'useExisting' : 'useClass'}`);
      return resolveOptions(await factory.createRateLimitOptions(), where);
    },
    inject: [useExisting ?? OPTIONS_FACTORY],
  };
  return useClass === undefined ? [fromFactory] : [{ provide: OPTIONS_FACTORY, useClass }, fromFactory];
}

/** @throws RateLimitConfigurationError for what no options can be asked of */
function checkFactory(factory: unknown, where: string): asserts factory is RateLimitOptionsFactory {
  const { createRateLimitOptions } = (factory ?? {}) as Partial<Record<string, unknown>>;
  if (typeof createRateLimitOptions === 'function') return;
  misconfigured(
    where,
    `${kindOf(factory)} has no method createRateLimitOptions`,
    'write createRateLimitOptions(), which gives the options, or use useFactory',
  );
}
