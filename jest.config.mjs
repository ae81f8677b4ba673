// .mjs on purpose: jest.config.ts would need ts-node.

// The same specs beside another ioredis or Nest: IOREDIS_MAJOR=5, NEST_MODULES=<a node_modules folder with that Nest>.
const { IOREDIS_MAJOR, NEST_MODULES } = process.env;
const lane = {
  ...(IOREDIS_MAJOR && { '^ioredis(/.*)?$': `ioredis${IOREDIS_MAJOR}$1` }),
  // With the packages that must be one and the same for Nest and for us.
  ...(NEST_MODULES && { '^(@nestjs/.*|rxjs(?:/.*)?|reflect-metadata)$': `${NEST_MODULES}/$1` }),
};

export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/{src,test,sample-app}/**/*.{spec,e2e-spec}.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '<rootDir>/test/package/consumers/'],
  moduleFileExtensions: ['js', 'mjs', 'cjs', 'ts', 'json', 'node', 'lua'],
  transform: { '^.+\\.([cm]?[jt]s|lua)$': '<rootDir>/test/support/swc-transform.cjs' },
  transformIgnorePatterns: ['\\.cjs$'],
  moduleNameMapper: {
    ...lane,
    '^nestjs-token-bucket$': '<rootDir>/src/index.ts',
    '^nestjs-token-bucket/redis$': '<rootDir>/src/storage/redis/index.ts',
    '^nestjs-token-bucket/testing$': '<rootDir>/src/testing/index.ts',
    '^(\\.{1,2}/.*\\.lua)\\.js$': '$1',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/sample-app/dist/', '<rootDir>/test/package/consumers/'],
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  maxWorkers: 2,
  testTimeout: 30_000,
  collectCoverageFrom: ['src/**/*.ts', '!src/**/*.spec.ts', '!src/**/*.d.ts'],
  coverageProvider: 'v8',
};
