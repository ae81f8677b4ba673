import { storageContract, type StorageHarness } from '../../src/testing/index.js';

/** What every storage promises, told to Jest. */
export function describeStorage(name: string, create: () => StorageHarness): void {
  describe(`${name} keeps the contract of a storage:`, () => {
    for (const { name, run } of storageContract(create)) it(name, run);
  });
}
