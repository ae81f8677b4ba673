import { describeValue, InvalidChargeError, listNames, misconfigured } from './errors.js';
import { declaredPolicy } from './overrides/overridden-policy.js';
import type { Policy } from './policy.js';

const OF_POLICIES = 'make groups of the policies that are handed over beside them';

/** The policies that code may name instead of handing them over. */
export class DeclaredPolicies {
  private readonly byName = new Map<string, Policy>();
  /** Those with a place, which many may have the name of. */
  private readonly byId = new Map<string, Policy>();
  private readonly groups: ReadonlyMap<string, readonly Policy[]>;

  /**
   * @param groups of them, which code may name as one
   * @throws RateLimitConfigurationError for two of one name
   */
  constructor(policies: Iterable<Policy>, groups: ReadonlyMap<string, readonly Policy[]> = new Map()) {
    for (const policy of policies) {
      if (this.byName.has(policy.name)) {
        misconfigured(
          'new RateLimiter',
          `two policies are named ${describeValue(policy.name)}`,
          'rename one, or hand over the Policy with each request instead of its name',
        );
      }
      this.byName.set(policy.name, policy);
    }
    if (!(groups instanceof Map)) {
      misconfigured(
        'new RateLimiter',
        `groups is ${describeValue(groups)}`,
        'pass a Map from names to lists of policies',
      );
    }
    this.groups = new Map([...groups].map(([name, members]) => [name, this.checkedGroup(name, members)]));
  }

  get all(): Iterable<Policy> {
    return this.byName.values();
  }

  /** Lets requests name a policy that has a place, by its id. */
  know(policy: Policy): void {
    if (policy.place !== '') this.byId.set(policy.id, policy);
  }

  /** The policy of this name or id, if there is one. */
  find(name: string): Policy | undefined {
    return this.byName.get(name) ?? this.byId.get(name);
  }

  /** The policies of a group that a request names; undefined: it names none. */
  groupOf(policy: Policy | string): readonly Policy[] | undefined {
    return typeof policy === 'string' ? this.groups.get(policy) : undefined;
  }

  private checkedGroup(name: string, members: readonly Policy[]): readonly Policy[] {
    const group = `the group ${describeValue(name)}`;
    if (this.byName.has(name)) {
      misconfigured('new RateLimiter', `a group and a policy are named ${describeValue(name)}`, 'rename one of them');
    }
    if (!Array.isArray(members) || members.length === 0) {
      misconfigured('new RateLimiter', `${group} is ${members?.length === 0 ? 'empty' : 'no list'}`, OF_POLICIES);
    }
    for (const policy of members) {
      const policyName = describeValue(policy?.name);
      if (this.byName.get(policy?.name) !== policy) {
        misconfigured('new RateLimiter', `policy ${policyName} of ${group} is not among the policies`, OF_POLICIES);
      }
    }
    if (new Set(members).size < members.length) {
      misconfigured('new RateLimiter', `${group} has a policy twice`, 'name each once, or ask for a higher cost');
    }
    return [...members];
  }

  /** The policy that a request names or hands over. @throws InvalidChargeError */
  policyOf(policy: Policy | string): Policy {
    return isPlaced(policy) ? policy : this.resolve(policy);
  }

  private resolve(policy: Policy | string): Policy {
    if (typeof policy === 'string') return this.named(policy);
    return this.byName.size > 0 && policy?.place === '' ? this.notNamesake(policy) : policy;
  }

  /** @throws InvalidChargeError for a name that is not declared */
  named(name: string): Policy {
    const policy = this.find(name);
    if (policy !== undefined) return policy;
    const members = [...this.byName.keys()].filter((key) => key.startsWith(`${name}.`));
    if (members.length > 0) {
      throw new InvalidChargeError(
        `${describeValue(name)} is several policies; name one of them: ${listNames(members)}.`,
      );
    }
    throw new InvalidChargeError(
      `Unknown policy ${describeValue(name)}. ${this.byName.size === 0 ? 'No shared policies are declared' : `Declared are ${listNames(this.byName.keys())}`}; ` +
        'declare it under `policies` in RateLimitModule.forRoot, or pass a Policy.',
    );
  }

  /** A policy made in code without a place would charge the bucket of a shared policy of its name. */
  private notNamesake(policy: Policy): Policy {
    const shared = this.byName.get(policy.name);
    if (shared === undefined || shared === policy || shared.agreesWith(policy)) return policy;
    // What a decision tells of is the policy as it was overridden then.
    if (declaredPolicy(policy) === shared) return shared;
    throw new InvalidChargeError(
      `Policy "${policy.name}" shares its bucket with the declared policy of that name, but differs in capacity, refill or algorithm; ` +
        'give it a name or a place of its own, or ask by name.',
    );
  }
}

// Small enough to be inlined wherever something is decided: a policy with a place is no shared one.
function isPlaced(policy: Policy | string): policy is Policy {
  return Boolean((policy as Policy | undefined)?.place);
}
