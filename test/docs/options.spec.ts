import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  MemoryStorage,
  Policy,
  PolicyLimiter,
  RateLimitConfigurationError,
  RateLimiter,
  RateLimitModule,
  RateLimitOverrides,
} from 'nestjs-token-bucket';
import * as helpers from 'nestjs-token-bucket/testing';
import type * as Options from '../../src/core/options.js';
import { asController } from './support/application.js';
import { type Block, blocksOf, blockWith, documents, ROOT } from './support/markdown.js';
import type * as Lists from './support/option-lists.js';
import { checkedLists, forgetLists, OURS } from './support/option-lists.js';
import { runWith } from './support/run-block.js';

jest.mock('../../src/core/options.js', () => {
  const real = jest.requireActual<typeof Options>('../../src/core/options.js');
  const { recordCheck } = jest.requireActual<typeof Lists>('./support/option-lists.js');
  const checkOptions: typeof Options.checkOptions = (options, known, where) => {
    recordCheck(options, known);
    real.checkOptions(options, known, where);
  };
  const checkOptionsOr: typeof Options.checkOptionsOr = (options, known, fail) => {
    recordCheck(options, known);
    real.checkOptionsOr(options, known, fail);
  };
  return { ...real, checkOptions, checkOptionsOr };
});

/** What pieces of the documents take for granted. */
async function surroundings(): Promise<Readonly<Record<string, unknown>>> {
  const storage = new MemoryStorage({ clock: new helpers.ManualClock(), [OURS]: true } as object);
  const policies = ['jobs', 'exports'].map(
    (name) => new Policy({ name, capacity: 100, perSeconds: 60, [OURS]: true } as never),
  );
  const limiter = new RateLimiter(storage, policies, { overrides: true });
  const limits = new RateLimitOverrides(limiter, { [OURS]: true } as object);
  class ConfigService {
    get = (): string => 'redis://redis.example';
  }
  @Module({ providers: [ConfigService], exports: [ConfigService] })
  class ConfigModule {}
  @Module({})
  class AppModule {}
  @Module({})
  class LimitsModule {}
  class MyStorage extends MemoryStorage {}
  const policyLimiter = new PolicyLimiter(limiter, policies[0]!);
  const app = { set: () => undefined };
  const test = () => undefined;
  return { limiter, limits, policyLimiter, ConfigModule, ConfigService, AppModule, LimitsModule, MyStorage, app, test };
}

/** Runs a block and starts an application with all that it has, because limits are read only then. */
async function runAndStart(block: Block): Promise<void> {
  const entries = Object.entries(await surroundings()).filter(([name]) => !declares(block, name));
  const given = Object.fromEntries(entries);
  const names = block.code.includes('await limits.open()') ? ['limits'] : [];
  const { exports, modules } = await runWith(block, { given, names });
  // What a block opened would go on asking its storage.
  if (names.length > 0) (exports as { limits?: RateLimitOverrides }).limits?.close();
  // The provider that a block has in a module which it does not show.
  const { Limits } = exports;
  if (Limits !== undefined) Module({ providers: [Limits], exports: [Limits] })(given['LimitsModule'] as Type);
  const classes = Object.values(exports).filter((value) => typeof value === 'function');
  const roots = classes.filter((one) => Reflect.getMetadata('imports', one) !== undefined);
  const held = roots.flatMap((root) => (Reflect.getMetadata('controllers', root) ?? []) as Type[]);
  const controllers = classes
    .filter((one) => one.name.endsWith('Controller') && !held.includes(one))
    .map((one) => (Reflect.hasMetadata('path', one) ? one : asController(one.name, one)));
  if (roots.length + modules.length + controllers.length === 0) return;
  const imports = roots.length > 0 ? roots : modules.length > 0 ? modules : [undefined];
  for (const one of imports) await start(one, controllers);
}

/** Whether a block makes what others take for granted. */
const declares = ({ code }: Block, name: string): boolean => new RegExp(`\\b(const|class) ${name}\\b`).test(code);

async function start(given: Type | DynamicModule | undefined, controllers: Type[]): Promise<void> {
  const policy = { capacity: 1000, perSeconds: 60, [OURS]: true };
  const ours = { policies: { exports: policy }, [OURS]: true };
  const imports = [given ?? RateLimitModule.forRoot(ours)];
  const testing = Test.createTestingModule({ imports, controllers });
  const compiled = await helpers.withManualClock(testing, new helpers.ManualClock()).compile();
  const app = compiled.createNestApplication({ logger: false });
  try {
    await app.init();
  } catch (error) {
    // A policy that a route names which the document leaves out; its options have been read.
    if (!(error instanceof RateLimitConfigurationError && error.message.includes('no route is limited'))) throw error;
  }
  await app.close();
}

/** What waits in blocks to be called. */
async function callWhatBlocksDeclare(): Promise<void> {
  const given = { ...(await surroundings()), fetch: () => Promise.resolve('a parcel') };
  const inFile = 'docs/outgoing-calls.md';
  const { exports } = await runWith<{
    whenToAskAgain: () => Promise<number>;
    Carrier: new (limiter: unknown) => { track(parcel: string): Promise<unknown> };
  }>(blockWith('whenToAskAgain', inFile), { names: ['whenToAskAgain'], given });
  await exports.whenToAskAgain();
  const carrier = await runWith<typeof exports>(blockWith('class Carrier', inFile), { given: { fetch: given.fetch } });
  await new carrier.exports.Carrier((given as { policyLimiter?: unknown }).policyLimiter).track('7');
  const { exports: admin } = await runWith<{
    LimitsController: new (limits: unknown) => { block(subject: string, options: object): Promise<void> };
  }>(blockWith('class LimitsController', 'docs/overrides.md'));
  await new admin.LimitsController((given as { limits?: unknown }).limits).block('user:7', { [OURS]: true });
}

/** Files whose options are the same ones, wherever they are given. */
const FAMILIES: Readonly<Record<string, string>> = {
  'core/policy.ts': 'a limit',
  'nest/limit-policies.ts': 'a limit',
  'nest/policy-registry.ts': 'a limit',
  'nest/rate-limit.decorator.ts': 'a limit',
  'core/overrides/override-checks.ts': 'a limit',
  'core/policy-limiter.ts': 'waiting',
  'nest/wait-for-rate-limit.options.ts': 'waiting',
};

describe('Every option', () => {
  const before = { ...process.env };
  beforeAll(async () => {
    Object.assign(process.env, {
      REDIS_URL: 'redis://redis.example:6379',
      PARTITION_KEY_SECRET: 'secret of this test',
    });
    // What is checked when a module is loaded belongs to no block.
    forgetLists();
    for (const block of documents().flatMap((file) => blocksOf(file))) await runAndStart(block);
    await callWhatBlocksDeclare();
    // Some seventy applications.
  }, 120_000);
  afterAll(() => {
    process.env = before;
  });

  it('is in an example that is run', () => {
    const families = new Map<string, { known: string[]; given: string[] }>();
    for (const { file, known, given } of checkedLists()) {
      const family = families.get(FAMILIES[file] ?? file) ?? { known: [], given: [] };
      families.set(FAMILIES[file] ?? file, family);
      family.known.push(...known);
      family.given.push(...given);
    }
    const missing = [...families]
      .map(([family, { known, given }]) => [family, known.filter((name) => !given.includes(name))] as const)
      .filter(([, names]) => names.length > 0);
    expect(Object.fromEntries(missing)).toEqual({});
  });

  it('is checked by a list that an example has come to', () => {
    const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
      /(?<!\.spec)\.ts$/.test(file),
    );
    for (const file of files) {
      if (file === 'core/options.ts') continue;
      const calls = readFileSync(join(ROOT, 'src', file), 'utf8').match(/\bcheckOptions(Or)?\(/g)?.length ?? 0;
      const lists = checkedLists().filter((list) => list.file === file).length;
      expect({ file, lists }).toEqual({ file, lists: calls });
    }
  });

  it.each(Object.keys(helpers))('of tests has an example: %s', (name) => {
    const isCalled = new RegExp(`\\b${name}\\(`);
    const examples = documents().flatMap((file) => blocksOf(file).filter(({ code }) => isCalled.test(code)));
    expect(examples).not.toEqual([]);
  });
});
