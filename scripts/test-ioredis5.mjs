// Runs the specs that depend on what ioredis does on the older one that we support. In one process, which jest does not
// end: whatever a client or a storage leaves behind keeps it alive, and that is a failure too.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const LIMIT_MS = 240_000;
const SPECS = [
  'at-most-once',
  'cluster',
  'cluster-faults',
  'sentinel',
  'scripts',
  'silence',
  'readonly',
  'new-connections',
  'lifecycle',
  'connection-profile',
];

process.chdir(join(import.meta.dirname, '..'));
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const files = ['test/package/lanes.spec.ts', ...SPECS.map((name) => `test/redis/${name}.spec.ts`)];
const { status, error } = spawnSync(process.execPath, [jest, '--runInBand', '--runTestsByPath', ...files], {
  env: { ...process.env, IOREDIS_MAJOR: '5' },
  stdio: 'inherit',
  timeout: LIMIT_MS,
});
if (error) console.error(`The specs on ioredis 5 did not end within ${LIMIT_MS / 1000} s: ${error.message}`);
process.exitCode = status ?? 1;
