import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A file at this path with this content, and the lint rule it breaks: none where `rule` is missing. */
interface Example {
  path: string;
  code: string;
  rule?: string;
}

const imports = 'eslint(no-restricted-imports)';
const globals = 'eslint(no-restricted-globals)';
const importing = (specifier: string) => `import x from '${specifier}';\nexport const y = x;\n`;

const forbiddenImports: Record<string, string[]> = {
  'src/index.ts': [
    'ioredis',
    '@nestjs/common',
    './storage/redis/redis.storage.js',
    './testing/manual-clock.js',
    './nest/subjects/index.js',
  ],
  'src/core/policy.ts': [
    '@nestjs/common',
    '@nestjs/core',
    'ioredis',
    'rxjs',
    'ipaddr.js',
    'fs',
    'node:fs',
    'node:net',
    'node:perf_hooks',
    '../index.js',
    '../storage/memory/memory.storage.js',
    '../nest/route-plan.js',
    '../testing/manual-clock.js',
  ],
  'src/core/clock.ts': ['node:fs', '../index.js', './policy.js'],
  'src/core/timers.ts': ['node:process', 'node:timers'],
  'src/core/algorithms/token-bucket.ts': [
    '../../storage/redis/redis.storage.js',
    '../../nest/route-plan.js',
    '../../index.js',
  ],
  'src/storage/memory/memory.storage.ts': [
    '@nestjs/common',
    'ioredis',
    '../../nest/route-plan.js',
    '../redis/redis.storage.js',
    '../../testing/manual-clock.js',
    '../../index.js',
  ],
  'src/storage/redis/redis.storage.ts': [
    '@nestjs/common',
    'rxjs',
    '../../nest/route-plan.js',
    '../../testing/manual-clock.js',
    './index.js',
  ],
  'src/nest/rate-limit.module.ts': ['ioredis', '@nestjs/graphql', '../storage/redis/redis.storage.js', '../index.js'],
  'src/nest/rate-limit.guard.ts': [
    'ioredis',
    'express',
    '@nestjs/websockets',
    '../storage/memory/memory.storage.js',
    '../index.js',
  ],
  'src/nest/transports/graphql.ts': [
    '@nestjs/graphql',
    'graphql',
    '../../storage/memory/memory.storage.js',
    '../../index.js',
  ],
  'src/nest/subjects/ip.ts': ['../../storage/redis/redis.storage.js', '../../testing/manual-clock.js'],
  'src/nest/headers/rate-limit.ts': ['@nestjs/common', 'node:http', '../../storage/memory/memory.storage.js'],
  'src/nest/headers/header-writer.ts': ['ioredis', '../../storage/memory/memory.storage.js'],
  'src/testing/contract.ts': ['ioredis', 'jest', '../storage/redis/redis.storage.js', '../index.js'],
};

const allowedImports: Record<string, string[]> = {
  'src/index.ts': ['./core/policy.js', './nest/rate-limit.module.js', './storage/memory/memory.storage.js'],
  'src/core/policy.ts': ['./storage.js', './algorithms/token-bucket.js', 'node:crypto'],
  'src/core/clock.ts': ['node:process'],
  'src/core/outside-requests.ts': ['node:async_hooks'],
  'src/core/algorithms/token-bucket.ts': ['../policy.js'],
  'src/core/policy.spec.ts': ['fast-check', '../testing/manual-clock.js'],
  'src/storage/memory/memory.storage.ts': ['../../core/storage.js', './eviction.js', 'node:timers'],
  'src/storage/redis/redis.storage.ts': [
    'ioredis',
    '../../core/storage.js',
    '../memory/memory.storage.js',
    './consume.lua.js',
  ],
  'src/nest/rate-limit.module.ts': ['@nestjs/common', '../storage/memory/memory.storage.js', '../core/storage.js'],
  'src/nest/rate-limit.guard.ts': ['@nestjs/common', '@nestjs/core', 'rxjs', 'rxjs/operators', '../core/storage.js'],
  'src/nest/subjects/ip.ts': ['ipaddr.js', '@nestjs/common'],
  'src/nest/headers/rate-limit.ts': ['../../core/decision.js'],
  'src/nest/headers/header-writer.ts': ['@nestjs/common', './rate-limit.js'],
  'src/testing/contract.ts': ['@nestjs/testing', '../core/storage.js', '../nest/rate-limit.module.js'],
};

const examples: Example[] = [
  ...Object.entries(forbiddenImports).flatMap(([path, specifiers]) =>
    specifiers.map((specifier) => ({ path, code: importing(specifier), rule: imports })),
  ),
  ...Object.entries(allowedImports).flatMap(([path, specifiers]) =>
    specifiers.map((specifier) => ({ path, code: importing(specifier) })),
  ),
  { path: 'src/core/policy.ts', code: `export { x } from '../nest/route-plan.js';\n`, rule: imports },
  { path: 'src/core/policy.ts', code: `export type { X } from '../nest/route-plan.js';\n`, rule: imports },
  { path: 'src/core/policy.ts', code: `export const x = import('../nest/route-plan.js');\n`, rule: imports },
  { path: 'src/core/rate-limiter.ts', code: 'export const now = () => Date.now();\n', rule: globals },
  { path: 'src/core/rate-limiter.ts', code: 'export const now = () => new Date();\n', rule: globals },
  { path: 'src/core/rate-limiter.ts', code: 'export const now = () => performance.now();\n', rule: globals },
  { path: 'src/core/rate-limiter.ts', code: 'export const now = () => globalThis.Date.now();\n', rule: globals },
  { path: 'src/core/algorithms/x.ts', code: 'export const now = () => performance.now();\n', rule: globals },
  { path: 'src/core/clock.ts', code: 'export const now = () => performance.now() + Date.now();\n' },
  { path: 'src/nest/x.ts', code: 'export const x = (y: any) => String(y);\n', rule: 'typescript(no-explicit-any)' },
  { path: 'src/nest/x.ts', code: 'export type X = Record<string, any>;\n', rule: 'typescript(no-explicit-any)' },
  { path: 'src/core/x.ts', code: `import { y } from './y.js';\nexport const x = () => y;\n`, rule: 'import(no-cycle)' },
  { path: 'src/core/t.ts', code: `import type { U } from './u.js';\nexport type T = U[];\n`, rule: 'import(no-cycle)' },
];

/** What the files above import to close a cycle. */
const otherEndsOfCycles = {
  'src/core/y.ts': `import { x } from './x.js';\nexport const y = () => x;\n`,
  'src/core/u.ts': `import type { T } from './t.js';\nexport type U = T | 1;\n`,
};

describe('the lint rules that keep imports pointing inward', () => {
  const root = process.cwd();
  let dir: string;
  let found: string[][];

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'nestjs-token-bucket-lint-'));
    const write = (path: string, code: string) => {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), code);
    };
    // The same path occurs often, with another content each time, so each example is a tree of its own, and the
    // rules are those of the project because each tree holds a copy of them.
    examples.forEach(({ path, code }, i) => {
      write(`${i}/${path}`, code);
      if (examples[i]?.rule === 'import(no-cycle)')
        for (const [other, end] of Object.entries(otherEndsOfCycles)) write(`${i}/${other}`, end);
      cpSync(join(root, '.oxlintrc.json'), join(dir, `${i}/.oxlintrc.json`));
    });
    const lint = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['--format=json', '.'], {
      cwd: dir,
      encoding: 'utf8',
    });
    const report = JSON.parse(lint.stdout) as { diagnostics: { code: string; filename: string }[] };
    found = examples.map(({ path }, i) =>
      report.diagnostics.filter(({ filename }) => filename === `${i}/${path}`).map(({ code }) => code),
    );
  });

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it.each(examples.map((example, i) => [example.path, example.code.trimEnd(), example.rule ?? 'nothing', i] as const))(
    '%s: %j breaks %s',
    (_path, _code, rule, i) => {
      expect(found[i]).toEqual(rule === 'nothing' ? [] : [rule]);
    },
  );
});
