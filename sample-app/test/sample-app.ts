import { MemoryStorage, type RateLimitStorage } from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import request from 'supertest';
import { createApp } from '../src/create-app.js';
import { trustedProxies } from '../src/trusted-proxies.js';

export interface SampleApp {
  readonly url: string;
  /** Asks as this address: the loopback address, unless another one is named. */
  send(method: 'get' | 'post' | 'delete', path: string, client?: Client): request.Test;
  close(): Promise<void>;
}

export interface Client {
  readonly address?: string;
  readonly token?: string;
}

/**
 * The sample app on a free port.
 * @param trustProxy the variable TRUST_PROXY; here a proxy on this machine is believed, unless told otherwise.
 */
export async function startSampleApp(storage: RateLimitStorage, trustProxy = 'loopback'): Promise<SampleApp> {
  const app = await createApp({ storage, logger: false });
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

/** The sample app on memory, with a clock that moves only when told to. */
export async function startWithClock(trustProxy?: string): Promise<SampleApp & { readonly clock: ManualClock }> {
  const clock = new ManualClock();
  return { clock, ...(await startSampleApp(new MemoryStorage({ clock }), trustProxy)) };
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
