// The Redis of the outages, and the storage that is asked for it as an application would: with `'local'` around it.
import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { Policy, RateLimiter } from '../../dist/esm/index.js';
import { OutageStorage } from '../../dist/esm/storage/outage/outage.storage.js';
import { RedisStorage } from '../../dist/esm/storage/redis/index.js';
import { startRedis } from '../../test/support/redis-server.mjs';
import { makeSubjects } from '../support/subjects.mjs';
import '../support/typescript.mjs';

const { RedisProxy } = await import('../../test/support/redis-proxy.ts');

export const DEADLINE_MS = 50;
/** A request that took longer than this has waited for Redis in vain. */
export const WAITED_MS = DEADLINE_MS / 2;
export const policy = new Policy({ capacity: 1_000_000, perSeconds: 3600 });
export const { asked: subjects } = makeSubjects(1000);

/** A server that can be killed and brought back where it was, and a wire to it that can be cut. */
export class Target {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  server;
  /** @type {InstanceType<typeof RedisProxy>} */
  proxy;

  static async start() {
    const target = new Target();
    target.server = await startRedis();
    target.proxy = await RedisProxy.start(target.server.port);
    return target;
  }

  signal(name) {
    process.kill(this.server.pid, name);
  }

  /** Takes the place of one that runs or has died. */
  async restart() {
    const { port } = this.server;
    await this.server.stop();
    this.server = await startRedis([], { port });
  }

  /** A command of its operator. */
  async order(...command) {
    const client = new Redis(this.server.port);
    await client.call(...command);
    client.disconnect();
  }

  async stop() {
    await this.proxy.stop();
    await this.server.stop();
  }
}

export async function opened(url) {
  const storage = new RedisStorage({ url, deadlineMs: DEADLINE_MS, logger: { warn: () => {} } });
  const outage = new OutageStorage(storage, { onStorageFailure: 'local', instances: 8 });
  await outage.open();
  const limiter = new RateLimiter(outage);
  let at = 0;
  /** Whether Redis has decided. */
  const ask = async () => {
    const subject = subjects[at++ % subjects.length];
    return !(await limiter.consume({ policy, subject })).isWithoutStorage;
  };
  const untilDecided = async () => {
    while (!(await ask())) await sleep(10);
  };
  return { storage, limiter, ask, untilDecided, close: () => outage.close() };
}

export const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
