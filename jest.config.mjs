// .mjs on purpose: jest.config.ts would need ts-node.
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/{src,test,sample-app}/**/*.{spec,e2e-spec}.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '<rootDir>/test/package/consumers/'],
  moduleFileExtensions: ['js', 'mjs', 'cjs', 'ts', 'json', 'node', 'lua'],
  transform: { '^.+\\.([cm]?[jt]s|lua)$': '<rootDir>/test/support/swc-transform.cjs' },
  transformIgnorePatterns: ['\\.cjs$'],
  moduleNameMapper: {
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
