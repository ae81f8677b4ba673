import { Inject, Injectable, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { PATH_METADATA, VERSION_METADATA } from '@nestjs/common/constants.js';
import { ModulesContainer } from '@nestjs/core';
import { misconfigured } from '../core/errors.js';
import { placeOf } from '../core/policy.js';

/**
 * Names every controller class by its module, name and version, the same on every instance of the application and
 * different for every class, so that no two share buckets by accident. Classes that agree in all three are told apart
 * by their path too.
 */
@Injectable()
export class ControllerPlaces {
  private readonly partsByController = new Map<Type, readonly string[]>();
  private readonly ambiguous = new Set<Type>();

  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    const byName = new Map<string, Type[]>();
    for (const [controller, moduleName] of controllersOf(modules)) {
      const parts = [moduleName, `${controller.name}${versionSuffix(controller)}`];
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
    // A class that no module declares was mounted by hand; its name is all there is.
    const parts = this.partsByController.get(controller) ?? [controller.name];
    return handler === undefined ? placeOf(...parts) : placeOf(...parts, handler);
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

/** Every controller once, with the name of its module: of several modules the first by name, whatever their order. */
function controllersOf(modules: ModulesContainer): Map<Type, string> {
  const found = new Map<Type, string>();
  for (const module of modules.values()) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype !== 'function') continue;
      const controller = metatype as Type;
      const name = found.get(controller);
      if (name === undefined || module.name < name) found.set(controller, module.name);
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
