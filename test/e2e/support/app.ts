import type { AddressInfo } from 'node:net';
import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';

/** Both platforms, for `describe.each`. */
export const PLATFORMS = ['express', 'fastify'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** What `fetch` takes, with its header fields in the plainest form. */
export type RequestSettings = Omit<RequestInit, 'headers'> & { readonly headers?: Record<string, string> };

export interface AppSettings extends ModuleMetadata {
  readonly platform?: Platform;
  /** Proxies to trust, in the platform's own form. Default: loopback, so that tests can play many clients. */
  readonly trust?: string | boolean;
  /** Applied before the application is initialised: prefixes, versioning, global guards … */
  readonly configure?: (app: INestApplication) => void;
  readonly override?: (builder: TestingModuleBuilder) => TestingModuleBuilder;
}

/** A running application on a free loopback port. */
export interface RunningApp {
  readonly app: INestApplication;
  readonly url: string;
  /** A request as the client at this address would send it through the trusted proxy. */
  readonly get: (path: string, client?: string, init?: RequestSettings) => Promise<Response>;
  readonly close: () => Promise<void>;
}

export async function startApp(settings: AppSettings): Promise<RunningApp> {
  const app = await createApp(settings);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    app,
    url,
    get: (path, client = '203.0.113.1', init = {}) =>
      fetch(url + path, { ...init, headers: { 'X-Forwarded-For': client, ...init.headers } }),
    close: () => app.close(),
  };
}

/** Not yet listening or initialised: `await app.init()` shows what starting says. */
export async function createApp(settings: AppSettings): Promise<INestApplication> {
  const { platform = 'express', trust = 'loopback', configure, override, ...metadata } = settings;
  const builder = Test.createTestingModule(metadata);
  const module = await (override?.(builder) ?? builder).compile();
  const app =
    platform === 'express'
      ? module.createNestApplication(new ExpressAdapter(), { logger: false })
      : module.createNestApplication(new FastifyAdapter({ trustProxy: trust }), { logger: false });
  if (platform === 'express') app.getHttpAdapter().getInstance().set('trust proxy', trust);
  configure?.(app);
  return app;
}

/**
 * What starting the application with these controllers and imports says; fails when it says nothing. A function, where
 * writing down the settings may throw already.
 */
export async function startError(settings: AppSettings | (() => AppSettings)): Promise<Error> {
  let app: INestApplication | undefined;
  try {
    app = await createApp(typeof settings === 'function' ? settings() : settings);
    await app.init();
  } catch (error) {
    return error as Error;
  } finally {
    await app?.close();
  }
  throw new Error('The application started without an error.');
}
