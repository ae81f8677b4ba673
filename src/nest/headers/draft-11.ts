import type { Decision, PolicyDecision } from '../../core/decision.js';
import type { Policy } from '../../core/policy.js';
import { type HeaderField, wholeSeconds } from './fields.js';
import { partitionKey, type PartitionKeyOptions } from '../partition-key.js';

/** The largest Integer of a structured field (RFC 9651, section 3.3.1); a quota may be larger. */
const MAX_INTEGER = 999_999_999_999_999;

/**
 * RateLimit-Policy and RateLimit in the form of draft-ietf-httpapi-ratelimit-headers-11 (work in progress): lists of
 * structured-field Strings with Integer parameters. `q` and `w` are the policy; `r` is what is left of it, rounded down,
 * and `t` the seconds over which `r` may be spread, rounded up, so that `r`/`t` never promises more than `q`/`w`.
 *
 * An admitted request tells of all its policies. A refused one tells of those that refused it, with `t` as their wait:
 * a longer `t` beside it would contradict Retry-After.
 *
 * @param partition whether both say which bucket they speak of.
 * @param laterSeconds so much longer than its wait a refused request is told
 */
export function addDraft11Fields(
  fields: HeaderField[],
  decision: Decision,
  partition: PartitionKeyOptions | false,
  laterSeconds: number,
): void {
  let quotas = '';
  let states = '';
  for (const policyDecision of decision.policies) {
    const { name, member } = textOf(policyDecision.policy);
    const key = partition === false ? '' : keyOf(policyDecision, partition);
    const quota = member + key;
    quotas = quotas === '' ? quota : `${quotas}, ${quota}`;
    if (policyDecision.allowed !== decision.allowed) continue;
    const state = stateOf(policyDecision, name, laterSeconds) + key;
    states = states === '' ? state : `${states}, ${state}`;
  }
  fields.push(['RateLimit-Policy', quotas]);
  // An empty list is not sent (RFC 9651, section 4.1).
  if (states !== '') fields.push(['RateLimit', states]);
}

/** The same on both fields, so that each can be read without the other. */
function keyOf({ policy, subject }: PolicyDecision, partition: PartitionKeyOptions): string {
  return `;pk=${partitionKey(partition, policy.id, subject)}`;
}

function stateOf(policyDecision: PolicyDecision, name: string, laterSeconds: number): string {
  const remaining = Math.min(policyDecision.remaining, MAX_INTEGER);
  const windowMs = effectiveWindowMs(policyDecision, remaining);
  return windowMs === Infinity
    ? `${name};r=${remaining}`
    : `${name};r=${remaining};t=${wholeSeconds(windowMs) + laterSeconds}`;
}

/** With nothing left, every reading that clients give to `t` is the wait for the next token. */
function effectiveWindowMs(policyDecision: PolicyDecision, remaining: number): number {
  if (!policyDecision.allowed) return policyDecision.retryAfterMs;
  return remaining >= 1 ? policyDecision.tokensWorthMs : policyDecision.nextTokenAfterMs;
}

/** What stays the same from answer to answer. */
interface PolicyText {
  readonly name: string;
  readonly member: string;
}

const texts = new WeakMap<Policy, PolicyText>();

function textOf(policy: Policy): PolicyText {
  let text = texts.get(policy);
  if (text === undefined) {
    // No escaping: the characters of a policy's name need none.
    const name = `"${policy.name}"`;
    // Left out for requests: it is the default, of which the draft has two spellings (sections 3.1.2 and 10.3).
    const unit = policy.quotaUnit === 'requests' ? '' : `;qu="${policy.quotaUnit}"`;
    const member = `${name};q=${Math.min(policy.quota, MAX_INTEGER)}${unit};w=${policy.quotaSeconds}`;
    text = { name, member };
    texts.set(policy, text);
  }
  return text;
}
