export { type Algorithm } from './core/algorithm.js';
export { type Bucket, type Charge } from './core/charge.js';
export { type Clock, SystemClock } from './core/clock.js';
export { Decision, PolicyDecision, Receipt } from './core/decision.js';
export {
  InvalidChargeError,
  LimiterClosedError,
  MissingSubjectError,
  RateLimitConfigurationError,
  RateLimitError,
  StorageFailureError,
  StorageTimeoutError,
  WaitTooLongError,
} from './core/errors.js';
export {
  type BucketShape,
  type CapacityAndRefill,
  type CapacityPerSeconds,
  type PolicyDefinition,
  type QuotaUnit,
  type StorageFailureMode,
} from './core/bucket-shape.js';
export { InvalidOverrideError, TooManyOverridesError } from './core/overrides/override-errors.js';
export {
  EVERY_SUBJECT,
  type OverriddenSubject,
  type OverrideDefinition,
  type OverrideNumbers,
  type OverrideOptions,
  type RateLimitOverride,
  type SubjectBlock,
} from './core/overrides/override.js';
export { type OverrideChanges, type OverrideEntry, type OverrideStore } from './core/overrides/override-store.js';
export { type Overrides } from './core/overrides/overrides.js';
export { type OverridesOptions, type OverridesSurroundings } from './core/overrides/overrides-options.js';
export { RateLimitOverrides } from './core/overrides/rate-limit-overrides.js';
export { type Instants } from './core/instants.js';
export { Policy } from './core/policy.js';
export { type PolicyCounts } from './core/policy-counts.js';
export { PolicyLimiter, type ScheduleOptions } from './core/policy-limiter.js';
export type { BucketRequest, ChargeRequest } from './core/charge-requests.js';
export { RateLimiter, type RateLimiterOptions } from './core/rate-limiter.js';
export { type MaybePromise, type Owed, RateLimitStorage, type StorageReply } from './core/storage.js';
export { type Timers } from './core/timers.js';
export { type WaitOptions } from './core/wait-options.js';
export { type HeadersOptions, type LegacyHeadersOptions } from './nest/headers/headers.options.js';
export { RATE_LIMIT_HEADERS } from './nest/headers/header-fields.js';
export {
  type CostFunction,
  type FunctionShape,
  type GroupMember,
  type GroupShape,
  type LimitDefinition,
  type LimitFunction,
  type LimitOptions,
  type Limits,
  type RequestOutcome,
  type SettleRules,
  type SharedPolicyDefinition,
  type SharedPolicyUse,
  type SkipFunction,
  type TiersShape,
} from './nest/limit-definition.js';
export { clientLabel } from './nest/observing/client-label.js';
export {
  type DenialLogOptions,
  type RateLimitHooks,
  type WrittenObservingOptions,
} from './nest/observing/observing.options.js';
export {
  type RateLimitDecisionEvent,
  type RateLimitEvent,
  type RateLimitStorageFailureEvent,
} from './nest/observing/request-events.js';
export { RateLimit, RateLimitDecision, SkipRateLimit } from './nest/rate-limit.decorator.js';
export { RateLimitExceededException, RateLimitUnavailableException } from './nest/rate-limit.exception.js';
export { RateLimitGuard } from './nest/rate-limit.guard.js';
export { RateLimitInterceptor } from './nest/rate-limit.interceptor.js';
export { InjectRateLimiter } from './nest/inject-rate-limiter.decorator.js';
export { getRateLimiterToken } from './nest/named-limiters.module.js';
export { WaitForRateLimit } from './nest/wait-for-rate-limit.decorator.js';
export { type WaitForRateLimitDecorator, type WaitForRateLimitOptions } from './nest/wait-for-rate-limit.options.js';
export { type RateLimitModuleAsyncOptions } from './nest/rate-limit.async-options.js';
export { RateLimitModule } from './nest/rate-limit.module.js';
export {
  type RateLimitModuleOptions,
  type RateLimitOptionsFactory,
  type RefusalBody,
} from './nest/rate-limit.options.js';
export { afterAuthentication } from './nest/subjects/after-authentication.js';
export { everyone } from './nest/subjects/everyone.js';
export { firstOf } from './nest/subjects/first-of.js';
export { type AddressPredicate, fromAddresses, type FromAddressesOptions } from './nest/subjects/from-addresses.js';
export { header } from './nest/subjects/header.js';
export { ip, type IpOptions } from './nest/subjects/ip.js';
export {
  type HttpRequest,
  type Phase,
  type Subject,
  type SubjectFunction,
  type SubjectResolver,
} from './nest/subjects/subject.js';
export { user, type UserOptions } from './nest/subjects/user.js';
export { type MemoryStorageOptions } from './storage/memory/memory.options.js';
export { MemoryStorage } from './storage/memory/memory.storage.js';
