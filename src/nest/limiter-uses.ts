import { PROPERTY_DEPS_METADATA, SELF_DECLARED_DEPS_METADATA } from '@nestjs/common/constants.js';
import type { ModulesContainer } from '@nestjs/core';
import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper.js';
import { policyNameOf } from './limiter-token.js';
import type { StaticWait } from './queue-checks.js';
import { rememberedWait } from './wait-for-rate-limit.options.js';

/** A place in code that is handed the limiter of a shared policy. */
export interface LimiterUse {
  readonly policyName: string;
  /** As messages name it: `@InjectRateLimiter on Mailer.limiter`. */
  readonly where: string;
  /** Set where it is a method that waits. */
  readonly wait?: StaticWait | undefined;
}

/** As Nest writes down what a class is given: parameters of its constructor, or properties. */
interface Dependency {
  readonly index?: number;
  readonly param?: unknown;
  readonly key?: string | symbol;
  readonly type?: unknown;
}

/** All of an application, by what Nest itself reads. Classes that are in none of its modules are another one's. */
export function* limiterUses(modules: ModulesContainer): Iterable<LimiterUse> {
  for (const { providers, controllers, injectables } of modules.values()) {
    for (const wrappers of [providers, controllers, injectables]) {
      for (const wrapper of wrappers.values()) yield* usesOf(wrapper);
    }
  }
}

function* usesOf({ metatype, inject, token }: InstanceWrapper): Iterable<LimiterUse> {
  if (Array.isArray(inject)) {
    for (const dependency of inject as readonly unknown[]) {
      yield* use(tokenOf(dependency), `getRateLimiterToken in inject of ${nameOf(token)}`);
    }
    return;
  }
  if (typeof metatype !== 'function') return;
  for (const { index, param } of listOf(SELF_DECLARED_DEPS_METADATA, metatype)) {
    yield* use(param, `@InjectRateLimiter on ${metatype.name}, constructor parameter ${index! + 1}`);
  }
  for (const { key = '', type } of listOf(PROPERTY_DEPS_METADATA, metatype)) {
    const where = typeof key === 'symbol' ? key.description! : `@InjectRateLimiter on ${metatype.name}.${key}`;
    yield* use(type, where, rememberedWait(metatype.prototype as object, key));
  }
}

function* use(token: unknown, where: string, wait?: StaticWait): Iterable<LimiterUse> {
  const policyName = policyNameOf(token);
  if (policyName !== undefined) yield { policyName, where, wait };
}

function tokenOf(dependency: unknown): unknown {
  return typeof dependency === 'object' && dependency !== null && 'token' in dependency ? dependency.token : dependency;
}

function nameOf(token: unknown): string {
  return typeof token === 'function' ? token.name : String(token);
}

function listOf(metadata: string, type: object): readonly Dependency[] {
  return (Reflect.getMetadata(metadata, type) as readonly Dependency[] | undefined) ?? [];
}
