import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '../../..');

/**
 * Runs a script of this folder on the compiled code in a process of its own, with its garbage collector in reach, and
 * answers what it printed as JSON. A process that does not end by itself within the time fails.
 */
export function inChild(script: string, args: readonly (string | number)[] = [], timeoutMs = 100_000): unknown {
  if (!existsSync(join(ROOT, 'dist/esm/index.js'))) throw new Error('dist/ is missing: run npm run build first');
  const file = join(__dirname, script);
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', file, ...args.map(String)], {
    encoding: 'utf8',
    timeout: timeoutMs,
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  if (status !== 0) throw new Error(`${script} ended with ${status ?? signal}:\n${stdout}${stderr}`);
  return JSON.parse(stdout);
}
