import { describeValue, listNames, misconfigured } from '../core/errors.js';
import type { Policy } from '../core/policy.js';
import { rejectSecond } from './bucket-claims.js';
import { isByFunction, namesInCode, type PlannedLimit } from './planned-limit.js';

/** What code may name: the policies whose place is the application, and those of them that stand under one name. */
export class PoliciesInCode {
  readonly policies: readonly Policy[];
  readonly groups: ReadonlyMap<string, readonly Policy[]>;
  private readonly limits: readonly PlannedLimit[];

  /**
   * @param limits those of the module
   * @param where the call that declares them, for messages
   * @throws RateLimitConfigurationError for two of one name
   */
  constructor(
    limits: readonly PlannedLimit[],
    private readonly where: string,
  ) {
    // One with an `id` has a place of its own.
    this.limits = limits.filter(({ place }) => place === '');
    this.policies = this.limits.flatMap(({ policies }) => policies);
    this.groups = new Map(this.limits.flatMap(({ groups }) => [...groups]));
    rejectNamesakes(this.limits);
  }

  /** One policy or those of a group. @throws RateLimitConfigurationError that names the place which names it */
  named(name: string, where: string): readonly Policy[] {
    return this.find(name) ?? misconfigured(where, ...this.whyUnknown(name));
  }

  /** The same; undefined: nothing that is declared, or what only a request can tell. */
  find(name: string): readonly Policy[] | undefined {
    const policy = this.policies.find((shared) => shared.name === name);
    return policy === undefined ? this.groups.get(name) : [policy];
  }

  private whyUnknown(name: string): readonly [problem: string, remedy: string] {
    const limit = this.limits.find((shared) => shared.name === name);
    if (limit !== undefined && isByFunction(limit)) {
      return [
        `a request decides the numbers of policy ${describeValue(name)}, and in code there is none`,
        'state the numbers, or use tiers',
      ];
    }
    const known = listNames(namesInCode(this));
    const problem = `unknown policy ${describeValue(name)}`;
    return limit === undefined
      ? [problem, `declare it under policies in ${this.where} (declared: ${known})`]
      : [problem, `it is several policies; name one of them (declared: ${known})`];
  }
}

function rejectNamesakes(limits: readonly PlannedLimit[]): void {
  const seen = new Map<string, string>();
  for (const limit of limits) {
    for (const name of namesInCode(limit)) {
      const earlier = seen.get(name);
      if (earlier !== undefined) rejectSecond(name, limit.where, earlier);
      seen.set(name, limit.where);
    }
  }
}
