export { ManualClock } from './manual-clock.js';
export { NoLimits } from './no-limits.js';
export { type StorageHarness } from './storage-contract/contract.js';
export { type StorageCheck, storageContract, type StorageTopic } from './storage-contract/storage-contract.js';
export { type TestModuleBuilder, withManualClock, withoutRateLimits } from './test-module.js';
