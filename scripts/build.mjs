// Compiles src twice, to ESM and to CommonJS, and turns the Lua scripts into modules beside the compiled code.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

const FORMATS = [
  { project: 'tsconfig.build.json', dir: 'esm', type: 'module', module: (text) => `export default ${text};\n` },
  {
    project: 'tsconfig.cjs.json',
    dir: 'cjs',
    type: 'commonjs',
    module: (text) =>
      `"use strict";\nObject.defineProperty(exports, "__esModule", { value: true });\nexports.default = ${text};\n`,
  },
];

const luaFiles = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.lua'));

// Built aside and swapped in: a failed build leaves the last good one in place, and nobody reads half a build.
const begin = new Date();
const out = `.dist-${process.pid}`;
try {
  for (const { project, dir, type, module } of FORMATS) {
    execFileSync(process.execPath, [tsc, '-p', project, '--outDir', join(out, dir)], { stdio: 'inherit' });
    for (const file of luaFiles) {
      const target = join(out, dir, `${file}.js`);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, module(JSON.stringify(readFileSync(join('src', file), 'utf8'))));
    }
    writeFileSync(join(out, dir, 'package.json'), `${JSON.stringify({ type })}\n`);
  }
  // What is newer than the begin of the build is not in it (scripts/bootstrap.mjs compares).
  utimesSync(join(out, 'cjs/package.json'), begin, begin);
  rmSync('dist', { recursive: true, force: true });
  renameSync(out, 'dist');
} catch (error) {
  if (error.status === undefined) throw error;
  process.exitCode = 1; // the compiler has said why
} finally {
  rmSync(out, { recursive: true, force: true });
}
