import { Inject, Injectable, Logger, type Type } from '@nestjs/common';
import { PATH_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { misconfigured } from '../core/errors.js';
import { RateLimiter } from '../core/rate-limiter.js';
import { AddressTrust } from './address-trust.js';
import { ControllerPlaces } from './controller-places.js';
import { MountCheck } from './mount-check.js';
import { PolicyLimiters } from './policy-limiters.js';
import { PolicyRegistry } from './policy-registry.js';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from './rate-limit.options.js';
import { declaresLimits, methodDeclaresLimits, type RoutePlan, RoutePlans } from './route-plan.js';
import { isObject } from './subjects/is-object.js';

/** Compiles every route when the application starts, so that nothing is misconfigured silently. */
@Injectable()
export class StartCheck {
  private readonly logger = new Logger('RateLimit');
  private readonly scanner = new MetadataScanner();

  constructor(
    @Inject(RATE_LIMIT_OPTIONS) private readonly options: ResolvedRateLimitOptions,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(ControllerPlaces) private readonly places: ControllerPlaces,
    @Inject(PolicyRegistry) private readonly registry: PolicyRegistry,
    @Inject(RoutePlans) private readonly plans: RoutePlans,
    @Inject(MountCheck) private readonly mounts: MountCheck,
    @Inject(AddressTrust) private readonly addressTrust: AddressTrust,
    @Inject(PolicyLimiters) private readonly limiters: PolicyLimiters,
    @Inject(RateLimiter) private readonly limiter: RateLimiter,
  ) {}

  /**
   * @param module our own module class, which must have been imported once
   * @throws RateLimitConfigurationError for the first mistake found
   */
  run(module: Type): void {
    this.rejectSecond(module);
    let limited = false;
    for (const controller of this.places.controllers) {
      for (const plan of this.compile(controller)) {
        limited = true;
        this.mounts.check(controller, plan);
        this.addressTrust.checkAtStart(plan);
      }
    }
    this.adoptInstances();
    this.limiters.checkWaits();
    this.registry.rejectUnused(this.limiters.usedNames);
    this.limiter.declare(this.registry.policies);
    if (!limited) this.warnOfNothing();
    this.warnOfIdleDecorators();
  }

  /** To be called after {@link run}, for a storage that can be away. */
  tellOfInstances(): void {
    const { instances, onStorageFailure } = this.options;
    // Where no limit is declared, code may make some, which do what the module says.
    const modes = this.registry.policies.map((policy) => policy.onStorageFailure ?? onStorageFailure);
    const isLocal = modes.length === 0 ? onStorageFailure === 'local' : modes.includes('local');
    if (instances !== undefined || !isLocal) return;
    this.logger.log(
      "While the storage cannot be asked, every instance gives out the whole of each limit that is 'local': n instances " +
        'admit up to n times as much. To share it out, say how many there are: RateLimitModule.forRoot({ instances }).',
    );
  }

  /** A controller may have put other functions in the place of its methods when it was constructed. */
  private adoptInstances(): void {
    for (const module of this.modules.values()) {
      for (const { metatype, instance } of module.controllers.values()) {
        if (typeof metatype !== 'function' || !isObject(instance)) continue;
        const prototype = metatype.prototype as Record<string, unknown>;
        for (const name of this.scanner.getAllMethodNames(prototype)) {
          const handler = instance[name];
          if (handler === prototype[name] || typeof handler !== 'function') continue;
          if (Reflect.hasMetadata(PATH_METADATA, prototype[name] as object))
            this.plans.of(metatype as Type, handler, name);
        }
      }
    }
  }

  private *compile(controller: Type): Iterable<RoutePlan> {
    const prototype = controller.prototype as Record<string, unknown>;
    for (const name of this.scanner.getAllMethodNames(prototype)) {
      const handler = prototype[name] as RoutePlan['handler'];
      const isRoute = Reflect.hasMetadata(PATH_METADATA, handler);
      const plan = isRoute ? this.plans.of(controller, handler, name) : undefined;
      if (plan !== undefined) yield plan;
      else if (!isRoute && methodDeclaresLimits(controller, name)) this.warnOfIdleHandler(`${controller.name}.${name}`);
    }
  }

  private rejectSecond(ours: Type): void {
    const count = [...this.modules.values()].filter(({ metatype }) => metatype === ours).length;
    if (count > 1) {
      misconfigured(
        this.options.where,
        `the module is imported ${count} times, each with options of its own`,
        'keep one RateLimitModule.forRoot(…), in the root module; it is global, so other modules need no import',
      );
    }
  }

  private warnOfNothing(): void {
    const inCode = this.registry.inCode.policies.length > 0;
    if (inCode) return;
    this.logger.warn(
      `${this.options.where}: no route is limited. Add a default limit, or @RateLimit(capacity, perSeconds) to a controller or handler.`,
    );
  }

  private warnOfIdleHandler(handler: string): void {
    this.logger.warn(`@RateLimit on ${handler} has no effect yet: it is no route, and only HTTP handlers are limited.`);
  }

  private warnOfIdleDecorators(): void {
    const controllers = new Set(this.places.controllers);
    for (const module of this.modules.values()) {
      for (const { metatype } of module.providers.values()) {
        if (typeof metatype !== 'function' || controllers.has(metatype as Type)) continue;
        if (!declaresLimits(metatype as Type)) continue;
        this.logger.warn(
          `@RateLimit on ${metatype.name} has no effect yet: it is no controller, and only HTTP handlers are limited.`,
        );
      }
    }
  }
}
