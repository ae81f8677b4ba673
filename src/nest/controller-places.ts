import { Inject, Injectable, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { MODULE_PATH, PATH_METADATA, VERSION_METADATA } from '@nestjs/common/constants.js';
import { ModulesContainer } from '@nestjs/core';
import { listNames, misconfigured } from '../core/errors.js';
import { placeOf } from '../core/policy.js';

/** What of Nest's module is needed. */
interface ServingModule {
  readonly name: string;
  readonly metatype: Type;
}

/**
 * Names every controller class by its module, name and version, the same on every instance of the application and
 * different for every class, so that no two share buckets by accident. Classes that agree in all three are told apart
 * by their path too.
 */
@Injectable()
export class ControllerPlaces {
  private readonly partsByController = new Map<Type, readonly string[]>();
  private readonly modulesByController: ReadonlyMap<Type, readonly ServingModule[]>;
  private readonly ambiguous = new Set<Type>();

  constructor(@Inject(ModulesContainer) private readonly modules: ModulesContainer) {
    const byName = new Map<string, Type[]>();
    this.modulesByController = controllersOf(modules);
    for (const [controller, [module]] of this.modulesByController) {
      // Of several modules the first by name, whatever their order.
      const parts = [module!.name, `${controller.name}${versionSuffix(controller)}`];
      this.partsByController.set(controller, parts);
      const key = placeOf(...parts);
      byName.set(key, [...(byName.get(key) ?? []), controller]);
    }
    for (const namesakes of byName.values()) if (namesakes.length > 1) this.tellApart(namesakes);
  }

  get controllers(): Iterable<Type> {
    return this.partsByController.keys();
  }

  /** The place of a controller, or of one of its handlers. */
  placeOf(controller: Type, handler?: string): string {
    if (this.ambiguous.has(controller)) {
      misconfigured(
        `@RateLimit on ${controller.name}`,
        'another controller has the same module, class name, version and path, so their buckets cannot be told apart',
        'rename one of the classes, or give the limit an id of its own',
      );
    }
    this.rejectSeveralPaths(controller);
    // A class that no module declares was mounted by hand; its name is all there is.
    const parts = this.partsByController.get(controller) ?? [controller.name];
    return handler === undefined ? placeOf(...parts) : placeOf(...parts, handler);
  }

  /** Nest tells a guard the class, not the module. At one path there is nothing to tell: the first one answers everything. */
  private rejectSeveralPaths(controller: Type): void {
    const [first, ...others] = this.modulesByController.get(controller) ?? [];
    if (first === undefined) return;
    const path = this.pathBefore(first);
    const other = others.find((module) => this.pathBefore(module) !== path);
    if (other === undefined) return;
    misconfigured(
      `@RateLimit on ${controller.name}`,
      `the modules ${listNames([first.name, other.name])} serve it at "${path}" and at "${this.pathBefore(other)}", and ` +
        'which of them a request comes through cannot be told, so that they would share its buckets by accident',
      'extend the class once for each module, or give the limit an id to share its bucket on purpose',
    );
  }

  /** What the router puts before the paths of a module's controllers; known when all modules have been made. */
  private pathBefore({ metatype }: ServingModule): string {
    const ofApplication: unknown = Reflect.getMetadata(MODULE_PATH + this.modules.applicationId, metatype);
    const path: unknown = ofApplication ?? Reflect.getMetadata(MODULE_PATH, metatype) ?? '/';
    return String(path);
  }

  private tellApart(namesakes: readonly Type[]): void {
    const byPath = new Map<string, Type>();
    for (const controller of namesakes) {
      const path = pathOf(controller);
      const twin = byPath.get(path);
      if (twin !== undefined) this.ambiguous.add(twin).add(controller);
      byPath.set(path, controller);
      this.partsByController.set(controller, [...this.partsByController.get(controller)!, path]);
    }
  }
}

/** Every controller once, with its modules in the order of their names. */
function controllersOf(modules: ModulesContainer): Map<Type, readonly ServingModule[]> {
  const found = new Map<Type, readonly ServingModule[]>();
  const byName = [...modules.values()].toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
  for (const module of byName) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype !== 'function') continue;
      const controller = metatype as Type;
      found.set(controller, [...(found.get(controller) ?? []), module]);
    }
  }
  return found;
}

function versionSuffix(controller: Type): string {
  const version: unknown = Reflect.getMetadata(VERSION_METADATA, controller);
  if (version === undefined || version === VERSION_NEUTRAL) return '';
  return `@${[version].flat().map(String).join(',')}`;
}

function pathOf(controller: Type): string {
  const path: unknown = Reflect.getMetadata(PATH_METADATA, controller);
  return [path].flat().map(String).join(',');
}
