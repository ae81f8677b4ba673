import { IncomingMessage } from 'node:http';
import { isObject } from './is-object.js';
import type { HttpRequest } from './subject.js';

/** What of Nest's HTTP adapter is needed. */
export interface PlatformAdapter {
  getInstance(): unknown;
}

/**
 * The prototype of the requests that a platform makes: Express keeps it as `app.request`, Fastify its class under a
 * symbol, which has a name but is not exported. Undefined where none is found.
 */
export function requestPrototype(instance: unknown): object | undefined {
  if (!isObject(instance)) return undefined;
  const express = instance.request;
  if (isObject(express)) return express;
  const fastify = bySymbol(instance, 'fastify.Request');
  return typeof fastify === 'function' ? (fastify.prototype as object) : undefined;
}

/** The proxy setting as the application wrote it, where the platform shows it. */
export function proxySetting(instance: unknown): unknown {
  if (!isObject(instance)) return undefined;
  const express = instance.settings;
  if (isObject(express)) return express['trust proxy'];
  const fastify = bySymbol(instance, 'fastify.options');
  return isObject(fastify) ? fastify.trustProxy : undefined;
}

/**
 * What decides which address the requests of a prototype show: of Express the proxy setting as it was compiled, so something
 * else once it is changed; of Fastify the class, of which the setting is a part.
 */
export function addressDecider(prototype: object): object {
  // Express' requests are Node's. Those of others may have an `app` that is no business of ours.
  const { app } = prototype instanceof IncomingMessage ? (prototype as { readonly app?: unknown }) : {};
  const settings = isObject(app) ? app.settings : undefined;
  const compiled = isObject(settings) ? settings['trust proxy fn'] : undefined;
  return isObject(compiled) ? compiled : prototype;
}

/** The address that the platform finds in a made-up request from `peer` that claims to come from others; or undefined. */
export function addressFoundIn(prototype: unknown, peer: string, forwarded: readonly string[]): string | undefined {
  if (!isObject(prototype) || !('ip' in prototype)) return undefined;
  const headers = { 'x-forwarded-for': forwarded.join(', ') };
  const socket = { remoteAddress: peer };
  // Own properties, because Node's and Fastify's accessors of these names would look for a real connection.
  const request = Object.create(prototype, {
    headers: { value: headers },
    socket: { value: socket },
    connection: { value: socket },
    raw: { value: { headers, socket, connection: socket } },
  }) as HttpRequest;
  try {
    return typeof request.ip === 'string' ? request.ip : undefined;
  } catch {
    // A trust function of the application may not expect to be tried.
    return undefined;
  }
}

function bySymbol(instance: Record<symbol, unknown>, description: string): unknown {
  const symbol = Object.getOwnPropertySymbols(instance).find((candidate) => candidate.description === description);
  return symbol === undefined ? undefined : instance[symbol];
}
