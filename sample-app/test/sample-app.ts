import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { ManualClock, withManualClock } from 'nestjs-token-bucket/testing';
import request from 'supertest';
import { AppModule, type AppModuleOptions } from '../src/app.module.js';
import { createApp } from '../src/create-app.js';
import { trustedProxies } from '../src/trusted-proxies.js';

export interface SampleApp {
  readonly url: string;
  /** Asks as this address: the loopback address, unless another one is named. */
  send(method: 'get' | 'post' | 'put' | 'delete', path: string, client?: Client): request.Test;
  close(): Promise<void>;
}

export interface Client {
  readonly address?: string;
  readonly token?: string;
}

/** Here a proxy on this machine is believed, unless told otherwise. */
const TRUST_PROXY = 'loopback';

/** The sample app on a free port, as main.ts starts it. */
export async function startSampleApp(options: AppModuleOptions): Promise<SampleApp> {
  return listening(await createApp({ ...options, logger: false }), TRUST_PROXY);
}

/**
 * The sample app with a clock that moves only when told to.
 * @param trustProxy the variable TRUST_PROXY
 */
export async function startWithClock(trustProxy = TRUST_PROXY): Promise<SampleApp & { readonly clock: ManualClock }> {
  const clock = new ManualClock();
  const builder = Test.createTestingModule({ imports: [AppModule.register({})] });
  const testing = await withManualClock(builder, clock).compile();
  const app = testing.createNestApplication<NestExpressApplication>({ logger: false });
  return { clock, ...(await listening(app, trustProxy)) };
}

async function listening(app: NestExpressApplication, trustProxy: string): Promise<SampleApp> {
  app.set('trust proxy', trustedProxies(trustProxy));
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  return {
    url,
    send(method, path, { address, token } = {}) {
      const test = request(url)[method](path);
      if (address !== undefined) void test.set('X-Forwarded-For', address);
      if (token !== undefined) void test.set('Authorization', `Bearer ${token}`);
      return test;
    },
    close: () => app.close(),
  };
}

/** The status codes of so many requests, one after the other. */
export async function statusesOf(count: number, send: () => request.Test): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < count; i++) statuses.push((await send()).status);
  return statuses;
}

/** `count` times the same status. */
export function times(count: number, status: number): readonly number[] {
  return Array.from({ length: count }, () => status);
}
