import type { LimitDefinition, SharedPolicyUse } from './limit-definition.js';

/** One `@RateLimit(…)` as written: a limit of its own, or the name of a shared policy. */
export type LimitDeclaration =
  | { readonly kind: 'own'; readonly definition: LimitDefinition }
  | { readonly kind: 'shared'; readonly policyName: string; readonly use: SharedPolicyUse };

/** One `@SkipRateLimit(…)` as written: the named limits, or all of them. */
export type SkipDeclaration = readonly string[] | 'all';

/** Metadata keys are texts, not unique symbols: two copies of the package in one process still understand each other. */
export const LIMITS_METADATA = 'nestjs-token-bucket:limits';
export const SKIPS_METADATA = 'nestjs-token-bucket:skips';
