// Lets benchmarks use what the tests have, which is TypeScript: servers, proxies, clusters.
import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { transform } from '@swc/core';

const TARGET = { target: 'es2023', parser: { syntax: 'typescript' } };

if (isMainThread) register(import.meta.url);

/** Imports name what will be compiled; here it has not been. */
export async function resolve(specifier, context, next) {
  if (!/^\.{1,2}\/.*\.js$/.test(specifier) || !context.parentURL?.endsWith('.ts')) return next(specifier, context);
  return next(specifier.replace(/\.js$/, '.ts'), context);
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const file = fileURLToPath(url);
  const { code } = await transform(readFileSync(file, 'utf8'), { filename: file, jsc: TARGET, sourceMaps: 'inline' });
  return { format: 'module', source: code, shortCircuit: true };
}
