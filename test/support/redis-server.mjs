// Finds (on Debian, as root: installs) a Redis server and starts it on a free loopback port.
// Only Node built-ins, so that scripts can use it before anything is installed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const START_TIMEOUT_MS = 10_000;
const APT_TIMEOUT_MS = 180_000;
const ATTEMPTS = 5;

/** The specs read expiries with PEXPIRETIME. The package itself is content with less. */
const OLDEST_MAJOR = 7;

const REMEDY =
  'Redis is needed here and none was found: set REDIS_URL=redis://host:port, or put redis-server on the PATH ' +
  '(Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis).';

const remedyFor = (tooOld) =>
  `Redis ${OLDEST_MAJOR} or later is needed here and ${tooOld}: set REDIS_URL=redis://host:port, or REDIS_SERVER_BIN to ` +
  'the path of a later redis-server or of a valkey-server.';

export async function freePort() {
  const server = createServer();
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** There is no Redis server on this machine that would do: the message is all that there is to say. */
export class RedisMissingError extends Error {}

/** The command of a Redis server on this machine. @throws RedisMissingError which names the remedy */
export function findRedisServer() {
  const tooOld = [];
  const wouldDo = (command) => {
    const version = command && versionOf(command);
    const isOld = Number.parseInt(version, 10) < OLDEST_MAJOR;
    if (isOld) tooOld.push(`${command} is ${version}`);
    return version && !isOld;
  };
  const found = [process.env.REDIS_SERVER_BIN, 'redis-server', 'valkey-server'].find(wouldDo);
  if (found) return found;
  // Where one is there and too old, one that apt installs would not come before it.
  if (tooOld.length === 0 && installWithApt() && wouldDo('redis-server')) return 'redis-server';
  throw new RedisMissingError(tooOld.length === 0 ? REMEDY : remedyFor(tooOld.join(', ')));
}

/** Undefined where the command does not run; what does not tell its version is taken for a late one. */
function versionOf(command) {
  const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  // `Redis server v=7.0.15 sha=00000000:0 …`, `Valkey server v=8.1.1 sha=…`
  return /\bv=(\d+\.[\d.]+)/.exec(stdout)?.[1] ?? 'unknown';
}

function installWithApt() {
  const allowed = existsSync('/etc/debian_version') && process.getuid?.() === 0 && process.env.REDIS_NO_APT !== '1';
  if (!allowed) return false;
  // RUNLEVEL=1 keeps the package from starting a service of its own on the default port.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const apt = (...args) =>
    spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'], timeout: APT_TIMEOUT_MS }).status === 0;
  const install = () => apt('install', '-y', '-qq', '--no-install-recommends', 'redis-server');
  console.error('Installing redis-server for the tests (REDIS_NO_APT=1 prevents this) ...');
  // A fresh machine has no package lists yet; elsewhere an update would only cost seconds.
  const isListed = spawnSync('apt-cache', ['show', 'redis-server'], { stdio: 'ignore' }).status === 0;
  return (isListed && install()) || (apt('update', '-qq') && install());
}

// However this process dies, its end of the pipe closes, cat ends, and server and folder go: no orphans, even after
// SIGKILL. The shell itself ignores Ctrl-C, which reaches the whole group, so that it lives to tidy up.
// $1 is the folder, the rest is the command.
const GUARD = `
dir=$1; shift
"$@" </dev/null & server=$!
trap '' INT TERM HUP
cat >/dev/null
kill "$server" 2>/dev/null
wait "$server" 2>/dev/null
rm -rf "$dir"`;

/**
 * Starts a Redis server that keeps nothing on disk and ends with this process at the latest.
 * @param {string[] | (() => Promise<string[]>)} [extraArgs] further arguments of redis-server, for example
 *   ['--cluster-enabled', 'yes']; a function is asked anew for each attempt, for arguments that are ports
 * @param {{ port?: number }} [options] port: instead of a free one (to bring a stopped server back)
 */
export async function startRedis(extraArgs = [], options = {}) {
  const command = findRedisServer();
  let log = '';
  // Another process can take the port between the moment it was found free and the start: try again.
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = options.port ?? (await freePort());
    const args = typeof extraArgs === 'function' ? await extraArgs() : extraArgs;
    const started = await launch(command, port, args);
    if (started.ready) return { url: `redis://127.0.0.1:${port}`, port, pid: started.pid, stop: started.stop };
    log = started.log;
    await started.stop();
  }
  throw new Error(`${command} did not start:\n${log}`);
}

async function launch(command, port, extraArgs) {
  const dir = await mkdtemp(join(tmpdir(), 'nestjs-token-bucket-redis-'));
  const address = ['--port', String(port), '--bind', '127.0.0.1'];
  const nothingOnDisk = ['--dir', dir, '--save', '', '--appendonly', 'no'];
  const args = ['-c', GUARD, 'sh', dir, command, ...address, ...nothingOnDisk, ...extraArgs.map(String)];
  const guard = spawn('sh', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  guard.stdin.on('error', () => {}); // the guard may be gone already when stop() closes its input
  const exited = new Promise((resolve) => guard.once('exit', resolve));

  let log = '';
  const ready = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      log = (log + chunk).slice(-4000);
      if (/Ready to accept connections|Running mode=sentinel/.test(log)) resolve(true);
      if (/Fatal|Address already in use|Failed listening/i.test(log)) resolve(false);
    };
    guard.stdout.on('data', read);
    guard.stderr.on('data', read);
    guard.once('error', reject);
    setTimeout(resolve, START_TIMEOUT_MS, false).unref();
  });

  const stop = async () => {
    guard.stdin.end();
    await exited;
  };
  return { ready, log, stop, pid: Number(/(?:^|\n)(\d+):/.exec(log)?.[1]) };
}
