import type { PolicyDefinition } from '../bucket-shape.js';
import { Policy, withoutNumbers } from '../policy.js';
import type { OverrideNumbers } from './override.js';

const DECLARED = new WeakMap<Policy, Policy>();

/**
 * The policy of the same buckets with other numbers: what they owe is read with those.
 * @throws RateLimitConfigurationError for numbers that the policy cannot have
 */
export function overriddenPolicy(policy: Policy, numbers: OverrideNumbers, where: string): Policy {
  const { algorithm, onStorageFailure, maxDebt } = policy;
  const definition = {
    ...numbers,
    ...withoutNumbers(policy),
    algorithm,
    onStorageFailure,
    maxDebt,
  } as PolicyDefinition;
  const overridden = new Policy(definition, where);
  DECLARED.set(overridden, declaredPolicy(policy));
  return overridden;
}

/** The policy as it is declared, of one with other numbers; of any other, itself. */
export function declaredPolicy(policy: Policy): Policy {
  return DECLARED.get(policy) ?? policy;
}
