import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { findRedisServer, freePort, startRedis } from './redis-server.mjs';
import { eventually } from './redis-testing.js';

const NAME = 'main';
/** A sentinel takes a master for dead after so long. */
const DOWN_AFTER_MS = 500;

// However this process dies, its end of the pipe closes, and the sentinel goes with it.
const GUARD = '"$@" </dev/null >/dev/null 2>&1 & server=$!; trap "" INT TERM HUP; cat >/dev/null; kill "$server"';

/** A master, a replica of it and three sentinels, all on the loopback interface. */
export interface SentinelGroup {
  readonly name: string;
  readonly sentinels: readonly { host: string; port: number }[];
  readonly master: Awaited<ReturnType<typeof startRedis>>;
  readonly replica: Awaited<ReturnType<typeof startRedis>>;
  stop(): Promise<void>;
}

export async function startSentinelGroup(): Promise<SentinelGroup> {
  const master = await startRedis(['--repl-diskless-sync-delay', '0']);
  const replica = await startRedis(['--replicaof', '127.0.0.1', master.port, '--repl-diskless-sync-delay', '0']);
  await isReplicating(replica.url);
  const sentinels = await Promise.all([1, 2, 3].map(() => startSentinel(master.port)));
  const stop = async () => {
    await Promise.all(sentinels.map((sentinel) => sentinel.stop()));
    await Promise.all([master.stop(), replica.stop()]);
  };
  try {
    await Promise.all(sentinels.map(({ port }) => knowsTheOthers(port)));
  } catch (error) {
    await stop();
    throw error;
  }
  return { name: NAME, sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })), master, replica, stop };
}

/** Unlike a server, a sentinel insists on a file, into which it writes what it learns. */
async function startSentinel(masterPort: number): Promise<{ port: number; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-token-bucket-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  const port = await freePort();
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} 3000`,
  ];
  await writeFile(file, lines.join('\n'));
  const guard = spawn('sh', ['-c', GUARD, 'sh', findRedisServer(), file, '--sentinel'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.stdin.on('error', () => {});
  const exited = new Promise((resolve) => guard.once('exit', resolve));
  const stop = async () => {
    guard.stdin.end();
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  return { port, stop };
}

async function isReplicating(url: string): Promise<void> {
  const client = new Redis(url);
  await eventually(async () => (await client.info('replication')).includes('master_link_status:up'));
  client.disconnect();
}

/** A failover needs the replica, and two sentinels that agree. */
async function knowsTheOthers(port: number): Promise<void> {
  const client = new Redis(port);
  client.on('error', () => {});
  await eventually(async () => (await client.info('sentinel')).includes('slaves=1,sentinels=3'), 15_000);
  client.disconnect();
}
