import { Inject, Injectable, type Type } from '@nestjs/common';
import { GUARDS_METADATA, INTERCEPTORS_METADATA } from '@nestjs/common/constants.js';
import { ApplicationConfig } from '@nestjs/core';
import { misconfigured } from '../core/errors.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimitInterceptor } from './rate-limit.interceptor.js';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from './rate-limit.options.js';
import type { RoutePlan } from './route-plan.js';

/** The ways in which our guard, or our interceptor, may come to run. */
interface Mounting {
  readonly type: Type;
  /** Where `@UseGuards` or `@UseInterceptors` leaves what it was given. */
  readonly metadata: string;
  /** Whether the module mounts it; that counts, whatever a test has put in its place. */
  readonly ours: boolean;
  /** What the application mounts on every route: instances, and the classes of those that are made per request. */
  readonly everywhere: readonly unknown[];
}

const MOUNT_INTERCEPTOR =
  'add { provide: APP_INTERCEPTOR, useExisting: RateLimitInterceptor } or @UseInterceptors(RateLimitInterceptor)';

/** Finds limited routes on which our guard or interceptor would never run. */
@Injectable()
export class MountCheck {
  constructor(
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(RATE_LIMIT_OPTIONS) private readonly options: ResolvedRateLimitOptions,
  ) {}

  /** @throws RateLimitConfigurationError naming the limit that would not be enforced, or whose fields would be missing. */
  check(controller: Type, { route, handler, settles, guard, interceptor }: RoutePlan): void {
    const writesHere = this.options.headers.writtenBy === 'interceptor';
    if (!isMounted(this.guards(), controller, handler)) {
      misconfigured(
        (guard[0] ?? interceptor[0])!.where,
        `no RateLimitGuard is mounted on ${route}, so the limit is not enforced (global is false)`,
        "add { provide: APP_GUARD, useExisting: RateLimitGuard } or @UseGuards(RateLimitGuard), or remove 'global: false'",
      );
    }
    if (interceptor.length === 0 && !writesHere && !settles) return;
    if (isMounted(this.interceptors(), controller, handler)) return;
    const late = interceptor[0];
    if (late !== undefined) {
      misconfigured(
        late.where,
        `${late.subject.description} is only known after authentication, which takes the RateLimitInterceptor, and none is mounted on ${route}`,
        writesHere
          ? MOUNT_INTERCEPTOR
          : "remove headers.writtenBy: 'guard', or limit by a subject that is known before authentication",
      );
    }
    const settling = guard.find((limit) => limit.settles !== undefined);
    if (settling !== undefined) {
      misconfigured(
        settling.where,
        `refundIf and settle hear of the outcome from the RateLimitInterceptor, and none is mounted on ${route}`,
        writesHere ? MOUNT_INTERCEPTOR : "remove headers.writtenBy: 'guard', or the rule",
      );
    }
    misconfigured(
      this.options.where,
      `headers.writtenBy is 'interceptor' and no RateLimitInterceptor is mounted on ${route}, so its admitted requests would have no fields`,
      "add { provide: APP_INTERCEPTOR, useExisting: RateLimitInterceptor }, or set headers.writtenBy: 'guard'",
    );
  }

  private guards(): Mounting {
    const { config, options } = this;
    return {
      type: RateLimitGuard,
      metadata: GUARDS_METADATA,
      ours: options.global,
      everywhere: [...config.getGlobalGuards(), ...config.getGlobalRequestGuards().map(classOf)],
    };
  }

  private interceptors(): Mounting {
    const { config, options } = this;
    return {
      type: RateLimitInterceptor,
      metadata: INTERCEPTORS_METADATA,
      ours: options.global && options.headers.writtenBy === 'interceptor',
      everywhere: [...config.getGlobalInterceptors(), ...config.getGlobalRequestInterceptors().map(classOf)],
    };
  }
}

function isMounted({ type, metadata, ours, everywhere }: Mounting, ...targets: readonly object[]): boolean {
  const isOurs = (one: unknown): boolean => one instanceof type || isOrExtends(one, type);
  const mountedOn = (target: object) => (Reflect.getMetadata(metadata, target) as unknown[] | undefined) ?? [];
  return ours || everywhere.some(isOurs) || targets.some((target) => mountedOn(target).some(isOurs));
}

function classOf({ metatype }: { readonly metatype: unknown }): unknown {
  return metatype;
}

function isOrExtends(candidate: unknown, type: Type): boolean {
  return typeof candidate === 'function' && (candidate === type || candidate.prototype instanceof type);
}
