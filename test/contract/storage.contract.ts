import { describeBuckets } from './buckets.contract.js';
import { describeDecisions } from './decisions.contract.js';
import { describeGivingBack } from './giving-back.contract.js';
import { describeManyCharges } from './many-charges.contract.js';
import { describeOwing } from './owing.contract.js';
import { Contract, type StorageHarness } from './storage-harness.js';

/** What every storage promises, told in decisions. `create` gives a storage without buckets at the start of a minute. */
export function describeStorage(name: string, create: () => Promise<StorageHarness>): void {
  describe(`${name} keeps the contract of a storage:`, () => {
    const contract = new Contract();
    beforeEach(async () => contract.begin(await create()));
    afterEach(() => contract.end());

    describeDecisions(contract);
    describeManyCharges(contract);
    describeGivingBack(contract);
    describeOwing(contract);
    describeBuckets(contract);
  });
}
