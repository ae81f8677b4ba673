import { type ExecutionContext, Inject, Injectable, type Type } from '@nestjs/common';
import { SSE_METADATA } from '@nestjs/common/constants.js';
import { misconfigured } from '../core/errors.js';
import { ControllerPlaces } from './controller-places.js';
import { EffectiveLimits, rejectRepeatedNames } from './effective-limits.js';
import type { PlannedLimit } from './planned-limit.js';
import { PolicyRegistry } from './policy-registry.js';
import {
  type LimitDeclaration,
  LIMITS_METADATA,
  type SkipDeclaration,
  SKIPS_METADATA,
} from './rate-limit.declaration.js';

type Handler = ReturnType<ExecutionContext['getHandler']>;

/** What applies to one handler of one controller, split by the phase in which each subject is known. */
export interface RoutePlan {
  /** The route as messages name it: `ReportsController.list`. */
  readonly route: string;
  readonly handler: Handler;
  /** Whether the handler answers with server-sent events. */
  readonly isEventStream: boolean;
  /** Whether a limit wants to know how requests end. */
  readonly settles: boolean;
  readonly guard: readonly PlannedLimit[];
  readonly interceptor: readonly PlannedLimit[];
}

/** Compiles plans, each once. The only reader of our metadata. */
@Injectable()
export class RoutePlans {
  /** Weak by handler: a request-scoped controller that binds its methods makes new ones for every request. */
  private readonly plans = new Map<Type, WeakMap<Handler, RoutePlan | undefined>>();
  /** By the name of the method, which such handlers share; and of all that have the name of none, by ''. */
  private readonly limits = new Map<Type, Map<string, readonly PlannedLimit[]>>();

  constructor(
    @Inject(PolicyRegistry) private readonly registry: PolicyRegistry,
    @Inject(ControllerPlaces) private readonly places: ControllerPlaces,
  ) {}

  /**
   * The plan of a route, or `undefined` where nothing is limited. By name, because a handler that was bound or wrapped on
   * its instance is another function, and its limits must not be lost with it.
   */
  of(controller: Type, handler: Handler, name?: string): RoutePlan | undefined {
    const ofController = this.plans.get(controller);
    // Most routes are planned at start; `has`, because "nothing is limited" is an answer too.
    if (ofController?.has(handler)) return ofController.get(handler);
    const plan = this.plan(controller, handler, name ?? handler.name.replace(/^bound /, ''));
    if (ofController === undefined) this.plans.set(controller, new WeakMap([[handler, plan]]));
    else ofController.set(handler, plan);
    return plan;
  }

  private plan(controller: Type, handler: Handler, name: string): RoutePlan | undefined {
    const route = `${controller.name}.${name || '(anonymous)'}`;
    const limits = this.limitsOf(controller, name, route);
    if (limits.length === 0) return undefined;
    return {
      route,
      handler,
      isEventStream: Reflect.getMetadata(SSE_METADATA, handler) === true,
      settles: limits.some(({ settles }) => settles !== undefined),
      guard: limits.filter(({ subject }) => subject.phase === 'guard'),
      interceptor: limits.filter(({ subject }) => subject.phase === 'interceptor'),
    };
  }

  /** The same limits for every handler of a method, or each would have a memory, a line to wait in and a claim of its own. */
  private limitsOf(controller: Type, name: string, route: string): readonly PlannedLimit[] {
    const owner = ownerOf(controller, name);
    if (owner === undefined) rejectLostLimits(controller, route);
    let ofController = this.limits.get(controller);
    if (ofController === undefined) this.limits.set(controller, (ofController = new Map()));
    const method = owner === undefined ? '' : name;
    let limits = ofController.get(method);
    if (limits === undefined) ofController.set(method, (limits = this.compile(controller, owner, name, route)));
    return limits;
  }

  private compile(controller: Type, owner: object | undefined, name: string, route: string): readonly PlannedLimit[] {
    const effective = new EffectiveLimits();
    const { moduleDefault } = this.registry;
    if (moduleDefault !== undefined) effective.add(moduleDefault);
    for (const ancestor of lineage(controller)) {
      this.apply(effective, ancestor, ancestor.name, () => this.places.placeOf(controller));
    }
    for (const holder of holdersOf(controller, owner)) {
      this.apply(effective, holder, route, () => this.places.placeOf(controller, name), name);
    }
    return effective.list(`@RateLimit on ${route}`).map((limit) => this.registry.apply(limit));
  }

  /** One place's skips lift what farther places said, then its limits come on top. */
  private apply(effective: EffectiveLimits, target: object, on: string, place: () => string, method?: string): void {
    const limits = (own(LIMITS_METADATA, target, method) as readonly LimitDeclaration[]).map((declaration) =>
      this.toLimit(declaration, `@RateLimit on ${on}`, place),
    );
    rejectRepeatedNames(limits, `@RateLimit on ${on}`);
    for (const skip of own(SKIPS_METADATA, target, method) as readonly SkipDeclaration[]) {
      effective.skip(skip, limits, `@SkipRateLimit on ${on}`);
    }
    for (const limit of limits) effective.add(limit);
  }

  private toLimit(declaration: LimitDeclaration, where: string, place: () => string): PlannedLimit {
    if (declaration.kind === 'own') return this.registry.own(declaration.definition, place, where);
    return this.registry.use(declaration.policyName, declaration.use, where);
  }
}

/** The controller and the classes it extends, the farthest first. */
function lineage(controller: Type): readonly Type[] {
  const classes: Type[] = [];
  for (let type: Type | null = controller; type !== null && type !== Function.prototype;) {
    classes.unshift(type);
    type = Object.getPrototypeOf(type) as Type | null;
  }
  return classes;
}

/** The prototype that a method of this name is written on, so that an overriding method has only its own decorators. */
function ownerOf(controller: Type, name: string): object | undefined {
  let prototype = controller.prototype as object | null;
  while (prototype !== null && !Object.hasOwn(prototype, name))
    prototype = Object.getPrototypeOf(prototype) as object | null;
  return prototype ?? undefined;
}

/** Where limits of a method may be noted: where it is written, and on what inherits it, by code. The farthest first. */
function holdersOf(controller: Type, owner: object | undefined): readonly object[] {
  const holders: object[] = [];
  if (owner === undefined) return holders;
  for (let holder = controller.prototype as object; holder !== owner; holder = Object.getPrototypeOf(holder) as object)
    holders.unshift(holder);
  return [owner, ...holders];
}

/** A handler of no known name may be any of the methods, with any of their limits. */
function rejectLostLimits(controller: Type, route: string): void {
  if (!lineage(controller).some((type) => methodsOf(type).some((method) => methodDeclaresLimits(controller, method))))
    return;
  misconfigured(
    route,
    `a handler of ${controller.name} is a function that was put in the place of a method at run time, so its limits cannot be told`,
    'wrap the method with a decorator, or give the function the name of the method',
  );
}

function methodsOf(type: Type): readonly string[] {
  return Object.getOwnPropertyNames((type.prototype ?? {}) as object);
}

function own(key: string, target: object, method?: string): readonly unknown[] {
  const list: unknown =
    method === undefined ? Reflect.getOwnMetadata(key, target) : Reflect.getOwnMetadata(key, target, method);
  return (list as readonly unknown[] | undefined) ?? [];
}

/** Whether a class or one of its methods carries `@RateLimit`. */
export function declaresLimits(type: Type): boolean {
  return own(LIMITS_METADATA, type).length > 0 || methodsOf(type).some((method) => methodDeclaresLimits(type, method));
}

/** Whether `@RateLimit` stands on the method that a class has by this name. */
export function methodDeclaresLimits(type: Type, method: string): boolean {
  const owner = type.prototype === undefined ? undefined : ownerOf(type, method);
  return holdersOf(type, owner).some((holder) => own(LIMITS_METADATA, holder, method).length > 0);
}
