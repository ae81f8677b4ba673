import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  getRateLimiterToken,
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
import { type Block, blocksOf, blockWith, documents, ROOT, textOf } from './support/markdown.js';
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
  const policies = ['jobs', 'exports', 'daily'].map(
    (name) => new Policy({ name, capacity: 100, perSeconds: 60, [OURS]: true } as never),
  );
  const limiter = new RateLimiter(storage, policies, { overrides: true });
  const limits = new RateLimitOverrides(limiter, { [OURS]: true } as object);
  class ConfigService {
    get = (): string => 'redis://redis.example';
  }
  @Module({ providers: [ConfigService], exports: [ConfigService] })
  class ConfigModule {}
  const carrier = { capacity: 1, perSeconds: 3600, [OURS]: true };
  const uses = { provide: 'uses', inject: [getRateLimiterToken('carrier')], useFactory: () => 'a limiter' };
  const ours = { policies: { carrier }, [OURS]: true };
  @Module({ imports: [RateLimitModule.forRoot(ours)], providers: [uses] })
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
    sendAll: (tenant: string, mails: readonly string[], signal: AbortSignal) => Promise<number>;
    Carrier: new (limiter: unknown) => { track(parcel: string): Promise<unknown> };
  }>(blockWith('whenToAskAgain', inFile), { names: ['whenToAskAgain'], given });
  await exports.whenToAskAgain();
  const sending = await runWith<typeof exports>(blockWith('sendAll', inFile), { names: ['sendAll'], given });
  await sending.exports.sendAll('7', ['Hello'], new AbortController().signal);
  const carrier = await runWith<typeof exports>(blockWith('class Carrier', inFile), { given: { fetch: given.fetch } });
  await new carrier.exports.Carrier((given as { policyLimiter?: unknown }).policyLimiter).track('7');
  const { exports: admin } = await runWith<{
    LimitsController: new (limits: unknown) => { block(subject: string, options: object): Promise<void> };
  }>(blockWith('class LimitsController', 'docs/overrides.md'));
  await new admin.LimitsController((given as { limits?: unknown }).limits).block('user:7', { [OURS]: true });
}

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
    const missing = checkedLists().map(({ file, known, given }) => ({
      file,
      of: known,
      missing: known.filter((name) => !given.has(name)),
    }));
    expect(missing.filter(({ missing: names }) => names.length > 0)).toEqual([]);
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

  // What no list checks, because only code passes it.
  it.each([
    ['OverridesSurroundings', 'core/overrides/overrides-options.ts', 'docs/overrides.md'],
    ['SubjectResolver', 'nest/subjects/subject.ts', 'docs/subjects.md'],
  ])('of %s is explained', (name, source, document) => {
    const text = readFileSync(join(ROOT, 'src', source), 'utf8');
    const body = new RegExp(`export interface ${name} \\{\\n([^]*?)\\n\\}`).exec(text)?.[1] ?? '';
    const members = [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, member]) => member!);
    expect(members.length).toBeGreaterThan(1);
    expect(members.filter((member) => !new RegExp(`\`${member}\\b`).test(textOf(document)))).toEqual([]);
  });

  it.each(Object.keys(helpers))('of tests has an example: %s', (name) => {
    const isCalled = new RegExp(`\\b${name}\\(`);
    const examples = documents().flatMap((file) => blocksOf(file).filter(({ code }) => isCalled.test(code)));
    expect(examples).not.toEqual([]);
  });
});
