// Installs what the benchmarks compare with, builds the package, and runs every *.bench.mjs of this folder in turn.
// `npm run bench -- core` runs only those whose name contains "core"; what stands behind the name is passed on to them.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname;
const root = join(here, '..');

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' });
  return status === 0;
}

const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
const installed = existsSync(join(here, 'node_modules/.package-lock.json'));
// npm ci refuses a lock that lacks a package of another platform; npm install does not mind.
if (!installed && !run('npm', ['ci', ...quiet], here) && !run('npm', ['install', ...quiet], here)) process.exit(1);
if (!run('npm', ['run', '--silent', 'build'], root)) process.exit(1);

const [first = '', ...rest] = process.argv.slice(2);
const [wanted, passedOn] = first.startsWith('-') ? ['', [first, ...rest]] : [first, rest];
const scripts = readdirSync(here).filter((name) => name.endsWith('.bench.mjs') && name.includes(wanted));
if (scripts.length === 0) {
  console.error(`There is no benchmark named like "${wanted}" in bench/.`);
  process.exit(1);
}
const failed = scripts.filter(
  (script) => !run(process.execPath, ['--expose-gc', join(here, script), ...passedOn], root),
);
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(', ')}`);
  process.exit(1);
}
