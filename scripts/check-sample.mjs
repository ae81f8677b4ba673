// Starts the built sample app as it would be deployed, asks it one question and stops it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../test/support/redis-server.mjs';

const START_TIMEOUT_MS = 20_000;

process.chdir(join(import.meta.dirname, '..'));
const port = await freePort();
const app = spawn(process.execPath, ['sample-app/dist/main.js'], {
  env: { ...process.env, PORT: String(port) },
  stdio: 'inherit',
});
const exited = once(app, 'exit');
try {
  const response = await firstAnswer(`http://127.0.0.1:${port}/data`);
  assert.equal(response.status, 200);
  const remaining = response.headers.get('x-ratelimit-remaining');
  assert.match(remaining ?? '', /^\d+$/, 'X-RateLimit-Remaining is missing');
  console.log(`The sample app answers: ${response.status}, X-RateLimit-Remaining: ${remaining}`);
} finally {
  app.kill();
  await exited;
}

async function firstAnswer(url) {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await fetch(url);
    } catch (error) {
      if (app.exitCode !== null) throw new Error(`the sample app ended with code ${app.exitCode}`, { cause: error });
      if (Date.now() > deadline) throw new Error(`no answer within ${START_TIMEOUT_MS / 1000} s`, { cause: error });
      await sleep(100);
    }
  }
}
