// Builds the sample app and runs it, or the script of it that the first argument names, in this very process.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

process.chdir(join(import.meta.dirname, '..'));
// Not `nest build`, which does no more here: what it loads of its generators does not start on the oldest Node.
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
rmSync('sample-app/dist', { recursive: true, force: true });
const build = spawnSync(process.execPath, [tsc, '-p', 'sample-app/tsconfig.build.json'], { stdio: 'inherit' });
if (build.status !== 0) process.exit(build.status ?? 1);

// A signal to `npm start` ends npm and its shell but does not reach this process: notice that the parent is gone.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && process.kill(process.pid, 'SIGTERM'), 300).unref();

const script = resolve(process.argv[2] ?? 'sample-app/dist/main.js');
process.argv.splice(1, 2, script); // the script sees the arguments it would see if it were started directly
await import(pathToFileURL(script).href);
