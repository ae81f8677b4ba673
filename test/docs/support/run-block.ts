import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import * as fastify from '@nestjs/platform-fastify';
import * as nestTesting from '@nestjs/testing';
import * as ioredis from 'ioredis';
import * as tokenBucket from 'nestjs-token-bucket';
import * as redis from 'nestjs-token-bucket/redis';
import * as testing from 'nestjs-token-bucket/testing';
import ts from 'typescript';
import { type Block, blocksOf, isWholeFile } from './markdown.js';
import { NAMES_OF_PIECES } from './pieces.js';

/** Redis servers of a document do not exist: nobody is to look for them before a storage is opened. */
class LazyRedis extends ioredis.Redis {
  constructor(url: string) {
    super(url, { lazyConnect: true });
  }
}

const MODULES: Readonly<Record<string, object>> = {
  '@nestjs/common': common,
  '@nestjs/core': core,
  '@nestjs/platform-fastify': fastify,
  '@nestjs/testing': nestTesting,
  ioredis: { ...ioredis, Redis: LazyRedis },
  'nestjs-token-bucket': tokenBucket,
  'nestjs-token-bucket/redis': redis,
  'nestjs-token-bucket/testing': testing,
};

/** What a block left behind. */
export interface Ran<T> {
  readonly exports: T;
  /** What `forRoot` and `forRootAsync` gave, in the order in which they were called. */
  readonly modules: readonly common.DynamicModule[];
}

/** How a block is run. */
export interface RunOptions {
  /** Constants of the block that are to be given as if it exported them. */
  readonly names?: readonly string[];
  /** What a piece may name without having made it, such as `app`, by name. */
  readonly given?: Readonly<Record<string, unknown>>;
}

type Require = (specifier: string) => unknown;
type Body = (exports: object, require: Require, ...given: readonly unknown[]) => Promise<void>;
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (...source: readonly string[]) => Body;

const ran = new Set<string>();
const nameOf = ({ file, line }: Block): string => `${file}:${line}`;

/** The blocks of a document that no test of this file has run so far. */
export function blocksNotRun(file: string): readonly string[] {
  return blocksOf(file)
    .map(nameOf)
    .filter((name) => !ran.has(name));
}

/**
 * Runs a block that is a whole file, and gives what it exports.
 * @param names constants of the block that are to be given as if it exported them.
 */
export async function runBlock<T>(block: Block, ...names: readonly string[]): Promise<T> {
  return (await runWith<T>(block, { names })).exports;
}

/** Runs any block: also one that is a piece of a file, and therefore names what it did not import. */
export async function runWith<T = Record<string, common.Type>>(
  block: Block,
  options: RunOptions = {},
): Promise<Ran<T>> {
  const { names = [], given = {} } = options;
  ran.add(nameOf(block));
  const imports = isWholeFile(block) ? '' : NAMES_OF_PIECES;
  const { outputText } = ts.transpileModule(`${imports}\n${block.code}\nexport { ${names.join(', ')} };`, {
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2023,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    },
  });
  const exports: Record<string, unknown> = {};
  const modules: common.DynamicModule[] = [];
  const remember = (made: common.DynamicModule): common.DynamicModule => {
    modules.push(made);
    return made;
  };
  class RateLimitModule extends tokenBucket.RateLimitModule {
    static override forRoot(...args: Parameters<typeof tokenBucket.RateLimitModule.forRoot>): common.DynamicModule {
      return remember(super.forRoot(...args));
    }
    static override forRootAsync(
      ...args: Parameters<typeof tokenBucket.RateLimitModule.forRootAsync>
    ): common.DynamicModule {
      return remember(super.forRootAsync(...args));
    }
  }
  const require: Require = (specifier) => {
    const found = MODULES[specifier];
    if (found === undefined) {
      throw new Error(`${nameOf(block)}: ${specifier} is not among the modules that blocks are run with.`);
    }
    return found === tokenBucket ? { ...found, RateLimitModule } : found;
  };
  // A function, because a block may wait at its top level.
  await new AsyncFunction('exports', 'require', ...Object.keys(given), outputText)(
    exports,
    require,
    ...Object.values(given),
  );
  return { exports: exports as T, modules };
}
