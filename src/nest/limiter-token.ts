import { describeValue, misconfigured } from '../core/errors.js';

const PREFIX = 'nestjs-token-bucket:limiter:';

/** @param where the place to name in error messages */
export function limiterToken(policyName: string, where = '@InjectRateLimiter'): string {
  if (typeof policyName !== 'string' || policyName === '') {
    misconfigured(
      where,
      `the name of the policy is ${describeValue(policyName)}`,
      'write the name of one that is declared under policies',
    );
  }
  return PREFIX + policyName;
}

/** The policy whose limiter a token stands for; `undefined` for any other token. */
export function policyNameOf(token: unknown): string | undefined {
  return typeof token === 'string' && token.startsWith(PREFIX) ? token.slice(PREFIX.length) : undefined;
}
