// Starts the sample app as README.md says, with `npm start` in a folder that has what a clone has and nothing else. Runs
// every curl command that it prints, and holds each answer to the status that is printed above the command. That folder is
// removed in the end, unless it is one that the command names: `node scripts/check-sample.mjs <an empty folder>`.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_TIMEOUT_MS = 300_000; // what is missing is installed and built first
const STOP_TIMEOUT_MS = 10_000;

const kept = process.argv[2];
const clone = kept ?? mkdtempSync(join(tmpdir(), 'nestjs-token-bucket-clone-'));
const running = new Set();
process.once('exit', () => {
  for (const child of running) process.kill(-child.pid, 'SIGKILL');
  if (kept === undefined) rmSync(clone, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

copyFiles();
console.log('npm start in a copy of all files that git does not ignore ...');
const begin = performance.now();
const app = start();
const { url, examples } = await app.printed;
console.log(`listens after ${((performance.now() - begin) / 1000).toFixed(1)} s`);
assert.ok(examples.length > 5, `only ${examples.length} commands were printed`);
for (const { route, status, command } of examples) {
  const response = await runCurl(command);
  const text = await response.text();
  assert.equal(response.status, status, `${command}\nfor ${route}: ${text}`);
  if (route === 'GET /data') assert.match(response.headers.get('x-ratelimit-remaining') ?? '', /^\d+$/);
  console.log(`${route}: ${response.status}, as printed`);
}
checkSecondAt(new URL(url).port);
await stop(app);

/** What a clone has once all of this is committed: nothing that git ignores. */
function copyFiles() {
  const root = join(import.meta.dirname, '..');
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  // The folder may be somebody else's, as in a container.
  const listed = execFileSync('git', ['-c', 'safe.directory=*', ...list], { cwd: root, encoding: 'utf8' });
  const files = listed.split('\0').filter((file) => file !== '' && existsSync(join(root, file)));
  for (const file of files) cpSync(join(root, file), join(clone, file));
}

/** In memory, where no run before this one has taken tokens. */
function envWith(port) {
  // What this project has installed is in npm's cache.
  const npm = { npm_config_prefer_offline: 'true' };
  return { ...process.env, ...npm, HOST: '127.0.0.1', PORT: port, REDIS_URL: '', TRUST_PROXY: '' };
}

/** A group of its own, which ends with this process at the latest. */
function start() {
  const child = spawn('npm', ['start'], {
    cwd: clone,
    env: envWith('0'),
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  child.once('spawn', () => running.add(child));
  // Not when npm has ended, but everything that it has started.
  const closed = new Promise((resolve) => child.once('close', resolve)).then(() => running.delete(child));
  return { child, closed, printed: printedBy(child) };
}

/** Where it listens, and the commands between the line that says so and the one about the burst. */
function printedBy(child) {
  return new Promise((resolve, reject) => {
    const examples = [];
    let url, described;
    let said = '';
    const tooLate = () =>
      reject(new Error(`npm start did not say how to try it in ${START_TIMEOUT_MS / 1000} s:${said}`));
    const timeout = setTimeout(tooLate, START_TIMEOUT_MS);
    // Goes on reading after it has all of them, so that the app can go on writing.
    createInterface({ input: child.stdout }).on('line', (line) => {
      said += `\n${line}`;
      const [, route, status] = /^ {2}# (\S+ \S+) answers (\d{3}): /.exec(line) ?? [];
      url ??= /^Listening on (\S+)/.exec(line)?.[1];
      if (route !== undefined) described = { route, status: Number(status) };
      else if (line.startsWith('  curl ')) examples.push({ ...described, command: line.trim() });
      else if (line.startsWith('  for i in ')) resolve({ url, examples });
    });
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`npm start ended with code ${code}:${said}`)));
    // Else the process would wait for it in vain.
    child.once('close', () => clearTimeout(timeout));
  });
}

/** What curl would send; a machine need not have it. */
function runCurl(command) {
  const words = wordsOf(command);
  const headers = new Headers();
  const data = [];
  let method, url;
  words.shift();
  while (words.length > 0) {
    const word = words.shift();
    if (word === '-X') method = words.shift();
    else if (word === '-H') headers.append(...words.shift().split(/: (.*)/s, 2));
    else if (word === '-d') data.push(words.shift());
    else if (/^https?:/.test(word)) url = word;
    else assert.equal(word, '-i', `${command}: this check does not know ${word}; teach it, or leave that out`);
  }
  if (data.length === 0) return fetch(url, { method, headers });
  if (!headers.has('Content-Type')) headers.set('Content-Type', 'application/x-www-form-urlencoded');
  return fetch(url, { method: method ?? 'POST', headers, body: data.join('&') });
}

/**
 * The words that every shell makes of a command. Some take more for themselves than others: zsh, which macOS has, looks
 * for files where a word has one of `?*[]`, and does not run the command when it finds none. A URL, too, is to be quoted:
 * with HOST=::1 it has brackets.
 */
function wordsOf(command) {
  return command.match(/(?:'[^']*'|\S)+/g).map((word) => {
    const [, quoted] = /^'([^']*)'$/.exec(word) ?? [];
    assert.ok(
      quoted !== undefined || /^[\w@.,+=/-]+$/.test(word),
      `${command}: not every shell takes ${word} as it stands`,
    );
    return quoted ?? word;
  });
}

/** A second one, at the port of the first, ends with one sentence and the remedy. */
function checkSecondAt(port) {
  const second = spawnSync(process.execPath, ['sample-app/dist/main.js'], {
    cwd: clone,
    env: envWith(port),
    encoding: 'utf8',
    timeout: STOP_TIMEOUT_MS,
  });
  assert.match(second.stderr, new RegExp(`^Port ${port} of 127\\.0\\.0\\.1 is taken: set PORT to another one`, 'm'));
  assert.doesNotMatch(second.stderr, /^\s+at /m, 'a stack says no more than the sentence');
  assert.equal(second.status, 1);
  console.log(`${port} is taken: one sentence says so`);
}

/** Ends npm alone: what it has started must notice. */
async function stop({ child, closed }) {
  const tooLate = setTimeout(() => {
    console.error(`npm start was ended, and what it has started did not end within ${STOP_TIMEOUT_MS / 1000} s`);
    process.exit(1);
  }, STOP_TIMEOUT_MS);
  child.kill();
  await closed;
  clearTimeout(tooLate);
}
