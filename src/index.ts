export { type Bucket, type Charge } from './core/charge.js';
export { type Clock, SystemClock } from './core/clock.js';
export { Decision, PolicyDecision, Receipt } from './core/decision.js';
export {
  InvalidChargeError,
  MissingSubjectError,
  RateLimitConfigurationError,
  RateLimitError,
  StorageFailureError,
  StorageTimeoutError,
} from './core/errors.js';
export {
  type BucketShape,
  type CapacityAndRefill,
  type CapacityPerSeconds,
  Policy,
  type PolicyDefinition,
} from './core/policy.js';
export { type BucketRequest, type ChargeRequest, RateLimiter } from './core/rate-limiter.js';
export { type MaybePromise, RateLimitStorage, type StorageReply } from './core/storage.js';
