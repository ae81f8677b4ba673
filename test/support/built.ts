import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

/** Processes of their own run what was built, which a fresh clone has not been yet. */
export function ensureBuilt(): void {
  if (existsSync(join(root, 'dist/esm/storage/redis/index.js'))) return;
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: root });
}
