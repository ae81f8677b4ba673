import type { Policy } from '../policy.js';
import {
  checkedBlockOptions,
  checkedId,
  checkedNumbers,
  checkedOverridden,
  checkedReason,
  checkedSubject,
} from './override-checks.js';
import type { BlockRecord, LimitRecord } from './override-text.js';
import type { OverriddenSubject, OverrideDefinition, OverrideOptions } from './override.js';

/** Which override of a policy it is. @throws InvalidOverrideError */
export function limitKey(policyId: string, subject: OverriddenSubject, where: string) {
  const of = checkedOverridden(subject, where);
  return { kind: 'limit', policy: checkedId(policyId, where), ...(of === undefined ? {} : { subject: of }) } as const;
}

/** @throws InvalidOverrideError */
export function limitRecord(
  policy: Policy,
  subject: OverriddenSubject,
  definition: OverrideDefinition,
  where: string,
): LimitRecord {
  const key = limitKey(policy.id, subject, where);
  return { ...key, numbers: checkedNumbers(policy, definition, where), ...checkedReason(definition, where) };
}

/** @throws InvalidOverrideError */
export function blockRecord(subject: string, options: OverrideOptions, where: string): BlockRecord {
  checkedBlockOptions(options, where);
  return { kind: 'block', subject: checkedSubject(subject, where), ...checkedReason(options, where) };
}
