import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The version of the package that specs get when they import `name`. */
function versionOf(name: string): string {
  for (let folder = dirname(require.resolve(name)); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
    } catch {
      // Not the folder of the package: the one above it may be.
    }
  }
  throw new Error(`${name} belongs to no package`);
}

const ioredisMajor = process.env.IOREDIS_MAJOR || '6';
const nestMajor = process.env.NEST_MODULES ? '11' : '12';

test.each([
  ['ioredis', ioredisMajor],
  ...['core', 'common', 'testing', 'platform-express', 'platform-fastify'].map((name) => [
    `@nestjs/${name}`,
    nestMajor,
  ]),
])('these specs run on the %s of their lane: %s', (name, major) => {
  expect(versionOf(name)).toMatch(new RegExp(`^${major}\\.`));
});
