// Packs the package and looks at it as its users will: what is in it, whether every entry point resolves for every
// kind of consumer, and whether three real applications install, compile, start and pass their own tests with it. The
// Nest 11 of one of them runs some of our specs, too.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { startRedis } from '../test/support/redis-server.mjs';
import { ONE_COPY } from './one-copy.mjs';

const root = join(import.meta.dirname, '..');
const consumers = join(root, 'test/package/consumers');
const MAX_PACKED_KB = 350;
const COMMAND_TIMEOUT_MS = 240_000;
// Our own specs of what Nest decides: the order of guards and interceptors, the kinds of context, who writes an answer.
const SPECS_OF_NEST = [
  'test/package/lanes',
  ...['order', 'phases', 'contexts', 'answers-kinds'].map((x) => `test/e2e/${x}`),
];

// A script and a source file for the consumers.
const WITHOUT_IOREDIS = `
  import assert from 'node:assert/strict';
  import { createRequire } from 'node:module';
  import { pathToFileURL } from 'node:url';
  const require = createRequire(pathToFileURL(process.cwd() + '/x.js'));
  assert.throws(() => require.resolve('ioredis'));
  for (const entry of ['', '/testing']) {
    await import('nestjs-token-bucket' + entry);
    require('nestjs-token-bucket' + entry);
  }`;

const ROOT_ONLY = `export * from 'nestjs-token-bucket';\nexport * as testing from 'nestjs-token-bucket/testing';\n`;

const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    for (const child of running) killGroup(child);
    rmSync(work, { recursive: true, force: true });
    process.exit(1);
  });

const work = mkdtempSync(join(tmpdir(), 'nestjs-token-bucket-package-'));
const redis = process.env.REDIS_URL ? undefined : await startRedis();
const env = { ...process.env, REDIS_URL: process.env.REDIS_URL ?? redis.url, CI: 'true' };

try {
  const tarball = await pack();
  await checkFiles(join(await unpack(tarball), 'package'));
  await step('publint', () => run(root, 'node_modules/.bin/publint', tarball, '--strict'));
  await step('are the types wrong', () => run(root, 'node_modules/.bin/attw', tarball));
  const checks = ['nest11-cjs', 'nest12-cjs', 'nest12-esm'].map((name) => checkConsumer(name, tarball));
  // Every one is awaited, so that a failure of one leaves no other running in a folder that is gone.
  const failures = (await Promise.allSettled(checks)).filter(({ status }) => status === 'rejected');
  for (const { reason } of failures) console.error(`\nFAILED ${reason.message}`);
  if (failures.length > 0) process.exitCode = 1;
} finally {
  await redis?.stop();
  rmSync(work, { recursive: true, force: true });
}

async function pack() {
  await step('build, where dist is stale', () => run(root, process.execPath, 'scripts/bootstrap.mjs'));
  const pack = await step('pack', () =>
    run(root, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', work),
  );
  const [{ filename, size, files }] = JSON.parse(pack.slice(pack.indexOf('[')));
  console.log(`  ${files.length} files, ${(size / 1024).toFixed(1)} kB packed`);
  assert.ok(size < MAX_PACKED_KB * 1024, `the package has grown beyond ${MAX_PACKED_KB} kB`);
  return join(work, filename);
}

async function unpack(tarball) {
  await run(work, 'tar', '-xzf', tarball);
  return work;
}

/** The tarball holds what it should and nothing else, and the root entry point stands without the optional peer. */
async function checkFiles(dir) {
  await step('contents', () => {
    const files = readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(dir, join(entry.parentPath, entry.name)));
    const unexpected = files.filter(
      (file) => !/^(dist\/|(package\.json|README\.md|CHANGELOG\.md|LICENSE)$)/.test(file),
    );
    assert.deepEqual(unexpected, []);
    assert.deepEqual(
      files.filter((file) => /\.spec\.|fixture|\.tsbuildinfo$/.test(file)),
      [],
    );
    for (const format of ['esm', 'cjs'])
      for (const file of reachableFrom(join(dir, 'dist', format, 'index.d.ts'))) {
        const types = readFileSync(file, 'utf8');
        assert.ok(!/from ["']ioredis|import\(["']ioredis/.test(types), `${file} needs ioredis`);
      }
  });
}

/** A declaration file and all that it imports by relative paths. */
function reachableFrom(entry, seen = new Set()) {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  for (const [, specifier] of readFileSync(entry, 'utf8').matchAll(/(?:from|import\()\s*["'](\.[^"']+)\.js["']/g))
    reachableFrom(`${join(dirname(entry), specifier)}.d.ts`, seen);
  return seen;
}

async function checkConsumer(name, tarball) {
  const dir = join(work, name);
  cpSync(join(consumers, name), dir, { recursive: true });
  cpSync(join(consumers, 'shared'), join(dir, 'src'), { recursive: true });
  const npm = (...args) => run(dir, 'npm', ...args);
  const node = (script) => run(dir, process.execPath, '--input-type=module', '--eval', script);
  const flags = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];

  await step(`${name}: install`, () => npm('install', ...flags, tarball));
  await step(`${name}: type check`, () => npm('run', 'typecheck'));
  await step(`${name}: run`, async () => {
    await npm('run', 'build');
    await npm('run', 'check');
  });
  await step(`${name}: its own tests`, () => npm('test'));
  if (name === 'nest11-cjs')
    await step(`${name}: our specs of what Nest decides`, () =>
      run(root, 'env', `NEST_MODULES=${join(dir, 'node_modules')}`, 'node_modules/.bin/jest', ...SPECS_OF_NEST),
    );
  await step(`${name}: one copy of each class`, () => node(ONE_COPY));
  await step(`${name}: works without ioredis`, async () => {
    rmSync(join(dir, 'node_modules/ioredis'), { recursive: true });
    await node(WITHOUT_IOREDIS);
    for (const file of readdirSync(join(dir, 'src'))) rmSync(join(dir, 'src', file));
    writeFileSync(join(dir, 'src/root-only.ts'), ROOT_ONLY);
    await npm('run', 'typecheck');
  });
}

async function step(title, action) {
  const begin = performance.now();
  try {
    return await action();
  } catch (error) {
    error.message = `${title}: ${error.message}`;
    throw error;
  } finally {
    console.log(`  ${title} (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
  }
}

/** Runs a command to its end and gives its output, which it keeps to itself unless the command fails. */
function run(cwd, command, ...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    running.add(child);
    // A check that does not end by itself has failed.
    const tooLong = setTimeout(killGroup, COMMAND_TIMEOUT_MS, child);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      clearTimeout(tooLong);
      if (code === 0) return resolve(stdout);
      const reason = signal === 'SIGKILL' ? `did not end within ${COMMAND_TIMEOUT_MS / 1000} s` : `exit code ${code}`;
      reject(new Error(`${command} ${args.slice(0, 3).join(' ')}: ${reason}\n${stdout}${stderr}`));
    });
  });
}

/** The whole group, because npm and its shell do not hand a signal on. */
function killGroup(child) {
  process.kill(-child.pid, 'SIGKILL');
}
