import { RequestMethod, type Type, VersioningType } from '@nestjs/common';
import { METHOD_METADATA, MODULE_PATH, PATH_METADATA, VERSION_METADATA } from '@nestjs/common/constants.js';
import { type ApplicationConfig, MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { RoutePathFactory } from '@nestjs/core/router/route-path-factory.js';
import { isObject } from '../subjects/is-object.js';

/** A way to reach a handler, as Nest serves it. */
export interface Route {
  /** `GET`, `ALL` … */
  readonly method: string;
  /** With the prefixes of application, module and controller, and the version where that is part of the path. */
  readonly path: string;
  readonly controller: Type;
  /** The name of the method. */
  readonly name: string;
  readonly handler: (...args: unknown[]) => unknown;
}

type Version = Parameters<RoutePathFactory['create']>[0]['controllerVersion'];

/** All routes of the application, in the order in which Nest makes them. */
export function* routesOf(modules: ModulesContainer, config: ApplicationConfig): Iterable<Route> {
  for (const { controllers, metatype: module } of modules.values()) {
    const modulePath = (Reflect.getMetadata(MODULE_PATH + modules.applicationId, module) ??
      Reflect.getMetadata(MODULE_PATH, module)) as string | undefined;
    for (const { metatype: controller } of controllers.values()) {
      if (typeof controller === 'function') yield* ofController(controller as Type, modulePath, config);
    }
  }
}

const SCANNER = new MetadataScanner();

function* ofController(controller: Type, modulePath: string | undefined, config: ApplicationConfig): Iterable<Route> {
  const factory = new RoutePathFactory(config);
  const versioningOptions = config.getVersioning();
  const controllerVersion = versionOf(controller) ?? versioningOptions?.defaultVersion;
  const prototype = controller.prototype as Record<string, Route['handler']>;
  for (const ctrlPath of pathsOf(controller)) {
    for (const name of SCANNER.getAllMethodNames(prototype)) {
      const handler = prototype[name]!;
      const methodVersion = versionOf(handler);
      const requestMethod = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod;
      for (const methodPath of pathsOf(handler)) {
        const paths = factory.create(
          {
            ctrlPath,
            methodPath,
            ...(modulePath === undefined ? {} : { modulePath }),
            globalPrefix: config.getGlobalPrefix(),
            ...(versioningOptions === undefined ? {} : { versioningOptions, controllerVersion, methodVersion }),
          },
          requestMethod,
        );
        const elsewhere = versioningOptions !== undefined && versioningOptions.type !== VersioningType.URI;
        const suffix = elsewhere ? versionSuffix(methodVersion ?? controllerVersion) : '';
        for (const path of paths) {
          yield { method: RequestMethod[requestMethod], path: path + suffix, controller, name, handler };
        }
      }
    }
  }
}

/** None of what is no route. */
function pathsOf(target: object): readonly string[] {
  if (!isObject(target)) return [];
  const path = Reflect.getMetadata(PATH_METADATA, target) as string | readonly string[] | undefined;
  return path === undefined ? [] : [path].flat().map((one) => `/${one}`.replace(/^\/+/, '/'));
}

function versionOf(target: object): Version {
  return Reflect.getMetadata(VERSION_METADATA, target) as Version;
}

/** Of a version that is a header or a media type, and not part of the path. */
function versionSuffix(version: Version): string {
  const versions = [version].flat().filter((one) => typeof one === 'string');
  return versions.length === 0 ? '' : ` (version ${versions.join(', ')})`;
}
