import { type Block, blocksOf, documents } from './support/markdown.js';
import { typeCheck } from './support/type-check.js';

const BLOCKS = documents().flatMap((file) => blocksOf(file));

/** Blocks as somebody could write them by mistake, and what is to be said of each. */
const MISTAKES: readonly (readonly [mistake: string, Block, said: string])[] = [
  [
    'an option that does not exist',
    { file: 'made-up.md', line: 10, code: 'RateLimitModule.forRoot({\n  storge: 1,\n});' },
    "made-up.md:12:3: Object literal may only specify known properties, but 'storge' does not exist",
  ],
  [
    'an export that does not exist',
    { file: 'made-up.md', line: 20, code: "import { RateLimits } from 'nestjs-token-bucket';" },
    `made-up.md:21:10: '"nestjs-token-bucket"' has no exported member named 'RateLimits'`,
  ],
  [
    'a missing import in a whole file',
    { file: 'made-up.md', line: 30, code: "import { ip } from 'nestjs-token-bucket';\n\n@Controller()\nclass Some {}" },
    "made-up.md:33:2: Cannot find name 'Controller'",
  ],
  [
    'code that cannot be read',
    { file: 'made-up.md', line: 40, code: 'const limit = ;' },
    'made-up.md:41:15: Expression expected',
  ],
];

describe('The TypeScript of README.md and docs/', () => {
  let said: ReturnType<typeof typeCheck>;
  beforeAll(() => {
    said = typeCheck([...BLOCKS, ...MISTAKES.map(([, made]) => made)]);
  });

  it.each(BLOCKS.map((block) => [`${block.file}:${block.line}`, block] as const))('%s is right', (_at, block) => {
    expect(said.get(block)).toEqual([]);
  });

  it.each(MISTAKES)('would not pass with %s', (_mistake, made, expected) => {
    expect(said.get(made)?.[0]).toContain(expected);
  });

  it('is found in every document, and cannot hide behind another spelling', () => {
    expect(new Set(BLOCKS.map(({ file }) => file))).toEqual(new Set(documents()));
    expect(() => blocksOf('made-up.md', 'Text.\n\n```typescript\nconst x = 1;\n```\n')).toThrow('made-up.md:3: ');
    expect(() => blocksOf('made-up.md', '```ts\nconst x = 1;\n')).toThrow('made-up.md:1: ');
  });
});
