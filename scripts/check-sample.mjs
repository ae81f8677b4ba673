// Starts the sample app as `npm start` does, runs every curl command that it prints, and holds each answer to the status
// that is printed above the command.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_TIMEOUT_MS = 60_000;

process.chdir(join(import.meta.dirname, '..'));
const app = spawn(process.execPath, ['scripts/start.mjs'], {
  // In memory, where no run before this one has taken tokens.
  env: { ...process.env, HOST: '127.0.0.1', PORT: '0', REDIS_URL: '' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const exited = once(app, 'exit');
try {
  const examples = await printedExamples();
  assert.ok(examples.length > 5, `only ${examples.length} commands were printed`);
  for (const { route, status, command } of examples) {
    const response = await runCurl(command);
    const text = await response.text();
    assert.equal(response.status, status, `${command}\nfor ${route}: ${text}`);
    if (route === 'GET /data') assert.match(response.headers.get('x-ratelimit-remaining') ?? '', /^\d+$/);
    console.log(`${route}: ${response.status}, as printed`);
  }
} finally {
  app.kill();
  await exited;
}

/** The commands between the line that says where it listens and the one about the burst. */
function printedExamples() {
  return new Promise((resolve, reject) => {
    const examples = [];
    let described;
    const tooLate = () => reject(new Error(`the sample app did not say how to try it in ${START_TIMEOUT_MS / 1000} s`));
    const timeout = setTimeout(tooLate, START_TIMEOUT_MS);
    // Goes on reading after it has all of them, so that the app can go on writing.
    createInterface({ input: app.stdout }).on('line', (line) => {
      const [, route, status] = /^ {2}# (\S+ \S+) answers (\d{3}): /.exec(line) ?? [];
      if (route !== undefined) described = { route, status: Number(status) };
      else if (line.startsWith('  curl ')) examples.push({ ...described, command: line.trim() });
      else if (line.startsWith('  for i in ')) resolve(examples);
    });
    app.once('exit', (code) => reject(new Error(`the sample app ended with code ${code}`)));
    // Else the process would wait for it in vain.
    void exited.then(() => clearTimeout(timeout));
  });
}

/** What curl would send; a machine need not have it. */
function runCurl(command) {
  const words = command.match(/'[^']*'|\S+/g).map((word) => word.replace(/^'(.*)'$/, '$1'));
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
