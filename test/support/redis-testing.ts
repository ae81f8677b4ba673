import { Redis, type RedisOptions } from 'ioredis';

/** The server of this run; see global-setup.mjs. */
export function redisUrl(): string {
  const url = process.env.REDIS_URL;
  if (url === undefined) throw new Error('REDIS_URL is not set: run these specs with jest.');
  return url;
}

let prefixes = 0;

/** A prefix that no other spec, worker or run uses: the server may be shared, so nothing is ever flushed. */
export function uniquePrefix(): string {
  return `test-${process.pid}-${Date.now().toString(36)}-${++prefixes}:`;
}

/** A plain client for looking behind the storage's back. */
export function plainClient(options: RedisOptions = {}, url = redisUrl()): Redis {
  return new Redis(url, options);
}

export async function keysUnder(client: Redis, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of client.scanStream({ match: `${prefix}*`, count: 1000 })) keys.push(...(page as string[]));
  return keys;
}

export async function deleteUnder(client: Redis, prefix: string): Promise<void> {
  const keys = await keysUnder(client, prefix);
  for (let i = 0; i < keys.length; i += 1000) await client.del(...keys.slice(i, i + 1000));
}

/** Every byte that is kept under the prefix, and when it will be gone. */
export async function stateUnder(client: Redis, prefix: string): Promise<string> {
  const lines: string[] = [];
  const keys = await keysUnder(client, prefix);
  keys.sort();
  for (const key of keys) {
    const dump = await client.dumpBuffer(key);
    lines.push(`${key} ${dump?.toString('hex')} until ${await client.pexpiretime(key)}`);
  }
  return lines.join('\n');
}

/** Waits for something that real processes or sockets bring about. */
export async function eventually(condition: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const giveUpAt = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > giveUpAt) throw new Error(`Not so within ${limitMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Whether something that is asked gets an answer, and no error. */
export function isAnswered(promise: unknown): Promise<boolean> {
  return Promise.resolve(promise).then(
    () => true,
    () => false,
  );
}

/** What is put here by a test is done after it, the latest first. */
export function cleanUpAfterEach(): (() => unknown)[] {
  return cleanUpIn(afterEach);
}

/** What is put here is done after all tests, the latest first. */
export function cleanUpAfterAll(): (() => unknown)[] {
  return cleanUpIn(afterAll);
}

function cleanUpIn(hook: typeof afterAll): (() => unknown)[] {
  const cleanups: (() => unknown)[] = [];
  hook(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  return cleanups;
}

/** Connections that the server has with clients of this name. */
export async function connectionsNamed(client: Redis, name: string): Promise<number> {
  const list = String(await client.client('LIST'));
  return list.split('\n').filter((line) => line.includes(` name=${name} `)).length;
}
