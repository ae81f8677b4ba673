// One instance of the built sample app as a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const MAIN = join(import.meta.dirname, '../dist/main.js');
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;

/**
 * Starts an instance on a port that the system chooses; it ends with this process at the latest.
 * @param {Record<string, string | undefined>} env variables for the instance; undefined takes one away
 */
export async function startApp(env) {
  if (!existsSync(MAIN)) throw new Error('The sample app is not built: run "npm run demo", which builds it first.');
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const killOnExit = () => child.kill('SIGKILL');
  process.once('exit', killOnExit);

  const stop = async () => {
    child.kill();
    const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(impatience);
    process.removeListener('exit', killOnExit);
  };
  try {
    return { url: await announcedUrl(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function announcedUrl(child) {
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => {
      reject(new Error(`The sample app did not listen within ${START_TIMEOUT_MS / 1000} s.`));
    }, START_TIMEOUT_MS);
    // Keeps reading after the line was found, so that the instance can go on writing.
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /^Listening on (\S+)/.exec(line)?.[1];
      if (url === undefined) return;
      clearTimeout(timeout);
      resolve(url);
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timeout);
      reject(new Error(`The sample app ended with ${signal ?? `code ${code}`} before it listened.`));
    });
  });
}
