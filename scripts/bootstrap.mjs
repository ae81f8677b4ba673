// Runs before tests and the sample app: installs what is missing and builds when dist is older than its sources.
// Only Node built-ins, because on a fresh clone there is nothing else.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));

const npm = (command) => spawnSync(command, { stdio: 'inherit', shell: true }).status === 0;

const packagesOf = (lock) => JSON.parse(readFileSync(lock, 'utf8')).packages;

function isInstalled() {
  if (!existsSync('node_modules/.package-lock.json')) return false;
  const present = packagesOf('node_modules/.package-lock.json');
  return Object.entries(packagesOf('package-lock.json')).every(
    ([path, wanted]) => path === '' || wanted.optional || present[path]?.version === wanted.version,
  );
}

function isBuilt() {
  const lastWritten = 'dist/cjs/package.json';
  if (!existsSync(lastWritten)) return false;
  const builtAt = statSync(lastWritten).mtimeMs;
  // Folders count too: a removed file changes the folder only.
  const below = readdirSync('src', { recursive: true }).map((path) => join('src', path));
  const sources = ['src', ...below, 'scripts/build.mjs', 'tsconfig.json', 'tsconfig.build.json', 'tsconfig.cjs.json'];
  return sources.every((path) => statSync(path).mtimeMs < builtAt);
}

if (!isInstalled()) {
  const flags = '--include=dev --no-audit --no-fund --loglevel=error';
  // npm ci refuses a lock that lacks a package of another platform; npm install does not mind.
  const exactly = () => npm(`npm ci ${flags}`) || console.error('npm ci refused (above): trying npm install instead.');
  if (!exactly() && !npm(`npm install ${flags}`)) process.exit(1);
}
if (!isBuilt() && !npm('npm run --silent build')) process.exit(1);
