import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nestjs-token-bucket-old-redis-'));
  mkdirSync(join(folder, 'path'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An executable that says this of its version, and no more. */
function fakeServer(path: string, version: string): string {
  const file = join(folder, path);
  writeFileSync(file, `#!/bin/sh\n[ "$*" = --version ] && echo '${version}'\n`);
  chmodSync(file, 0o755);
  return file;
}

/** What tests would start, or what they say instead. In a process of its own, which has no other variables. */
function findServer(REDIS_SERVER_BIN?: string): string {
  const script = `
    const { findRedisServer, RedisMissingError } = await import('./test/support/redis-server.mjs');
    try {
      console.log(findRedisServer());
    } catch (error) {
      if (!(error instanceof RedisMissingError)) throw error;
      console.log(error.message);
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    env: { PATH: join(folder, 'path'), REDIS_NO_APT: '1', REDIS_SERVER_BIN },
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout.trimEnd();
}

const REDIS_6 = 'Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=a3fdef44459b3ad6';
const REDIS_7 = 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=e08dbad3e06f3fb';
const VALKEY_8 = 'Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=a2f1c2f3d2e5b6c7';
const REMEDY =
  'set REDIS_URL=redis://host:port, or REDIS_SERVER_BIN to the path of a later redis-server or of a valkey-server.';

describe('A Redis server for the tests', () => {
  it.each([
    ['6.0.16', REDIS_6],
    ['6.2.14', REDIS_6.replace('6.0.16', '6.2.14')],
    ['2.8.4', 'Redis server v=2.8.4 sha=00000000:0 malloc=jemalloc-3.4.1 bits=64'],
  ])('of version %s is refused in one sentence with the remedy', (version, output) => {
    const command = fakeServer('old', output);
    expect(findServer(command)).toBe(`Redis 7 or later is needed here and ${command} is ${version}: ${REMEDY}`);
  });

  it('is taken from the PATH behind one that is too old', () => {
    fakeServer('path/redis-server', REDIS_6);
    fakeServer('path/valkey-server', VALKEY_8);
    expect(findServer(fakeServer('old', REDIS_6))).toBe('valkey-server');
  });

  it('is refused when every one is too old, and each is named', () => {
    fakeServer('path/redis-server', REDIS_6);
    const command = fakeServer('old', REDIS_6.replace('6.0.16', '5.0.3'));
    expect(findServer(command)).toBe(
      `Redis 7 or later is needed here and ${command} is 5.0.3, redis-server is 6.0.16: ${REMEDY}`,
    );
  });

  it.each([
    REDIS_7,
    REDIS_7.replace('7.0.15', '10.0.0'),
    'Redis server v=255.255.255 sha=4be9cc3a:1 malloc=libc bits=64 build=70f5f7d1c1c4f39',
    VALKEY_8,
    'a wrapper that does not tell',
  ])('is taken that says "%s"', (output) => {
    const command = fakeServer('server', output);
    expect(findServer(command)).toBe(command);
  });

  it('is not taken that does not run', () => {
    expect(findServer(join(folder, 'missing'))).toMatch(/^Redis is needed here and none was found: /);
  });
});
