// Run after adding or updating a dependency. npm leaves a package for another platform out of package-lock.json when
// the registry it asked does not serve that package, and `npm ci` then refuses the lock on every machine. This adds an
// entry for each one that is missing.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const packages = lock.packages;
const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/;
const added = [];

for (const [path, parent] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const isThere = `${path}/node_modules/${name}` in packages || `node_modules/${name}` in packages;
    if (isThere || !EXACT.test(version)) continue;
    const { cpu, libc, os } = platformOf(name);
    packages[`node_modules/${name}`] = { version, cpu, dev: parent.dev, libc, optional: true, os };
    added.push(`${name}@${version}`);
  }
}

/** Binary packages are named after their platform: `@scope/core-linux-arm64-musl`. */
function platformOf(name) {
  const [, os, cpu, abi] = /(android|darwin|freebsd|linux|openharmony|win32)-(\w+)(?:-(\w+))?$/.exec(name) ?? [];
  const libc = abi?.startsWith('musl') ? 'musl' : abi?.startsWith('gnu') ? 'glibc' : undefined;
  return { cpu: asList(cpu), libc: asList(libc), os: asList(os) };
}

function asList(value) {
  return value && [value];
}

lock.packages = Object.fromEntries(Object.entries(packages).toSorted(([a], [b]) => a.localeCompare(b, 'en')));
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length ? `Added:\n  ${added.join('\n  ')}` : 'Nothing was missing.');
