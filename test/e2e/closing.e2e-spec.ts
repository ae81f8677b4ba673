import { execFile } from 'node:child_process';
import { createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { RateLimitModule } from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import { RedisProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.mjs';
import { connectionsNamed, eventually, plainClient } from '../support/redis-testing.js';
import { createApp } from './support/app.js';

/** A server that takes connections and says nothing, with those that are open. */
async function startSilentServer() {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    // Unread, the end of a connection would not be noticed behind what came before it.
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const stop = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `redis://127.0.0.1:${address.port}`, open, stop };
}

const logger = { warn: () => {} };
const appWith = (storage: RedisStorage) => createApp({ imports: [RateLimitModule.forRoot({ storage })] });

describe('An application that is closed while its storage is still being opened', () => {
  const toStop: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const stop of toStop.splice(0).toReversed()) await stop();
  });
  const startSilent = async () => {
    const silent = await startSilentServer();
    toStop.push(silent.stop);
    return silent;
  };

  it('leaves no connection to a Redis that answers only then', async () => {
    const redis = await startRedis();
    toStop.push(() => redis.stop());
    const proxy = await RedisProxy.start(redis.port);
    toStop.push(() => proxy.stop());
    const observer = plainClient({}, redis.url);
    toStop.push(() => observer.quit());
    const connectionName = 'closed-while-opening';
    const client = plainClient({ lazyConnect: true, connectionName }, proxy.url);
    proxy.answers = 'keep back';
    const app = await appWith(new RedisStorage({ client, logger }));
    const starting = app.init();
    await eventually(() => proxy.connections === 1);
    const closing = app.close();
    proxy.release();
    await Promise.all([starting, closing]);
    await eventually(async () => (await connectionsNamed(observer, connectionName)) === 0);
    expect(proxy.connections).toBe(1);
  });

  it('leaves no connection to one that never answers', async () => {
    const silent = await startSilent();
    const app = await appWith(new RedisStorage({ url: silent.url, logger }));
    const starting = app.init();
    await eventually(() => silent.open.size === 1);
    await Promise.all([starting, app.close()]);
    await eventually(() => silent.open.size === 0);
  });

  it('lets the process end', async () => {
    const silent = await startSilent();
    const script = `
      import 'reflect-metadata';
      import { Module } from '@nestjs/common';
      import { NestFactory } from '@nestjs/core';
      import { RateLimitModule } from 'nestjs-token-bucket';
      import { RedisStorage } from 'nestjs-token-bucket/redis';
      let begin;
      const begun = new Promise((resolve) => (begin = resolve));
      class WatchedStorage extends RedisStorage {
        open() {
          begin();
          return super.open();
        }
      }
      class AppModule {}
      const storage = new WatchedStorage({ url: '${silent.url}', logger: { warn() {} } });
      Module({ imports: [RateLimitModule.forRoot({ storage })] })(AppModule);
      const app = await NestFactory.create(AppModule, { logger: false });
      const starting = app.init();
      await begun;
      await Promise.all([starting, app.close()]);
      console.log('closed');
    `;
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 });
    expect(stdout).toBe('closed\n');
  });
});
