import { Inject, Injectable, type Type } from '@nestjs/common';
import { GUARDS_METADATA, INTERCEPTORS_METADATA } from '@nestjs/common/constants.js';
import { ApplicationConfig } from '@nestjs/core';
import { misconfigured } from '../core/errors.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimitInterceptor } from './rate-limit.interceptor.js';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from './rate-limit.options.js';
import type { RoutePlan } from './route-plan.js';

type Mounted = { readonly everywhere: boolean; readonly metadata: string; readonly type: Type };

/** Finds limited routes on which our guard or interceptor would never run. */
@Injectable()
export class MountCheck {
  constructor(
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(RATE_LIMIT_OPTIONS) private readonly options: ResolvedRateLimitOptions,
  ) {}

  /** @throws RateLimitConfigurationError naming the limit that would not be enforced, or whose fields would be missing. */
  check(controller: Type, { route, handler, guard, interceptor }: RoutePlan): void {
    const writesHere = this.options.headers.writtenBy === 'interceptor';
    if (!isMounted(this.guards(), controller, handler)) {
      misconfigured(
        (guard[0] ?? interceptor[0])!.where,
        `no RateLimitGuard is mounted on ${route}, so the limit is not enforced (global is false)`,
        "add { provide: APP_GUARD, useExisting: RateLimitGuard } or @UseGuards(RateLimitGuard), or remove 'global: false'",
      );
    }
    if (interceptor.length === 0 && !writesHere) return;
    if (isMounted(this.interceptors(), controller, handler)) return;
    const late = interceptor[0];
    if (late !== undefined) {
      misconfigured(
        late.where,
        `${late.subject.description} is only known after authentication, which takes the RateLimitInterceptor, and none is mounted on ${route}`,
        writesHere
          ? 'add { provide: APP_INTERCEPTOR, useExisting: RateLimitInterceptor } or @UseInterceptors(RateLimitInterceptor)'
          : "remove headers.writtenBy: 'guard', or limit by a subject that is known before authentication",
      );
    }
    misconfigured(
      this.options.where,
      `headers.writtenBy is 'interceptor' and no RateLimitInterceptor is mounted on ${route}, so its admitted requests would have no fields`,
      "add { provide: APP_INTERCEPTOR, useExisting: RateLimitInterceptor }, or set headers.writtenBy: 'guard'",
    );
  }

  private guards(): Mounted {
    const mounted = this.config.getGlobalGuards().some((guard) => guard instanceof RateLimitGuard);
    const scoped = this.config.getGlobalRequestGuards().some(({ metatype }) => isOrExtends(metatype, RateLimitGuard));
    return { everywhere: this.options.global || mounted || scoped, metadata: GUARDS_METADATA, type: RateLimitGuard };
  }

  private interceptors(): Mounted {
    const mounted = this.config.getGlobalInterceptors().some((one) => one instanceof RateLimitInterceptor);
    const scoped = this.config
      .getGlobalRequestInterceptors()
      .some(({ metatype }) => isOrExtends(metatype, RateLimitInterceptor));
    // With `global`, what the module mounts counts, whatever a test has put in its place.
    const ours = this.options.global && this.options.headers.writtenBy === 'interceptor';
    return { everywhere: ours || mounted || scoped, metadata: INTERCEPTORS_METADATA, type: RateLimitInterceptor };
  }
}

function isMounted({ everywhere, metadata, type }: Mounted, ...targets: readonly object[]): boolean {
  return (
    everywhere ||
    targets.some((target) =>
      ((Reflect.getMetadata(metadata, target) as unknown[] | undefined) ?? []).some(
        (mounted) => isOrExtends(mounted, type) || mounted instanceof type,
      ),
    )
  );
}

function isOrExtends(candidate: unknown, type: Type): boolean {
  return typeof candidate === 'function' && (candidate === type || candidate.prototype instanceof type);
}
