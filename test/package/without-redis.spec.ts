import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let emptyFolder: string;

beforeEach(() => (emptyFolder = mkdtempSync(join(tmpdir(), 'nestjs-token-bucket-path-'))));
afterEach(() => rmSync(emptyFolder, { recursive: true }));

test('where Redis cannot be found, tests say so in one sentence with the remedy, and nothing else', () => {
  const { REDIS_URL: _, REDIS_SERVER_BIN: __, ...env } = process.env;
  const jest = spawnSync(process.execPath, ['node_modules/jest/bin/jest.js', 'test/package/lanes.spec.ts'], {
    env: { ...env, PATH: emptyFolder, REDIS_NO_APT: '1' },
    encoding: 'utf8',
  });
  expect(jest.stdout).toBe('');
  expect(jest.stderr).toBe(
    'Redis is needed here and none was found: set REDIS_URL=redis://host:port, or put redis-server on the PATH ' +
      '(Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis).\n',
  );
  expect(jest.status).toBe(1);
});
