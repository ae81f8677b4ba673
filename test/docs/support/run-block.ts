import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import * as tokenBucket from 'nestjs-token-bucket';
import * as redis from 'nestjs-token-bucket/redis';
import * as testing from 'nestjs-token-bucket/testing';
import ts from 'typescript';
import type { Block } from './markdown.js';

const MODULES: Readonly<Record<string, unknown>> = {
  '@nestjs/common': common,
  '@nestjs/core': core,
  'nestjs-token-bucket': tokenBucket,
  'nestjs-token-bucket/redis': redis,
  'nestjs-token-bucket/testing': testing,
};

type Body = (exports: Record<string, unknown>, require: (specifier: string) => unknown) => Promise<void>;
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (...source: string[]) => Body;

/**
 * Runs a block that is a whole file, and gives what it exports.
 * @param names constants of the block that are to be given as if it exported them.
 */
export async function runBlock<T>({ file, line, code }: Block, ...names: readonly string[]): Promise<T> {
  const { outputText } = ts.transpileModule(`${code}\nexport { ${names.join(', ')} };`, {
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2023,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    },
  });
  const exports: Record<string, unknown> = {};
  // A function, because a block may wait at its top level.
  await new AsyncFunction('exports', 'require', outputText)(exports, (specifier) => {
    if (specifier in MODULES) return MODULES[specifier];
    throw new Error(`${file}:${line}: ${specifier} is not among the modules that blocks are run with.`);
  });
  return exports as T;
}
