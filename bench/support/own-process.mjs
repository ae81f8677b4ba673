import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** What a script of this folder prints in JSON: run by itself, so that it inherits no compiled code and no garbage. */
export function inProcessOfItsOwn(script, ...args) {
  const file = join(import.meta.dirname, script);
  return JSON.parse(execFileSync(process.execPath, ['--expose-gc', file, ...args.map(String)], { encoding: 'utf8' }));
}
