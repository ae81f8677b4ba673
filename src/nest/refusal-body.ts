import type { Decision } from '../core/decision.js';
import { retryAfterSeconds, UNAVAILABLE_SECONDS } from './headers/retry-after.js';
import type { RefusalBody } from './rate-limit.options.js';

/** What a refusal says. */
export type Body = string | Record<string, unknown>;

const PROBLEM_TYPES = 'https://iana.org/assignments/http-problem-types#';

/** Media type of the problem documents of RFC 9457. */
export const PROBLEM_JSON = 'application/problem+json';

/** What a limit says of itself does not hold here. */
const BLOCKED = 'This client is blocked.';
const EXCEEDED_PROBLEM = { type: `${PROBLEM_TYPES}quota-exceeded`, title: 'Quota Exceeded' };
const BLOCKED_PROBLEM = { type: `${PROBLEM_TYPES}abnormal-usage-detected`, title: 'Abnormal Usage Detected' };

/**
 * The body of a 429, also where a function of the application made none. The problem document has `status` and no
 * `statusCode`: Nest's Express adapter would reset its media type.
 */
export function exceededBody(kind: RefusalBody, decision: Decision, laterSeconds: number): Body {
  const detail = explain(decision, laterSeconds);
  if (kind !== 'problem') return { statusCode: 429, message: detail, error: 'Too Many Requests' };
  return {
    ...(decision.isBlocked ? BLOCKED_PROBLEM : EXCEEDED_PROBLEM),
    status: 429,
    detail,
    'violated-policies': violatedPolicies(decision),
  };
}

/** The body of a 503; a function that makes bodies of refusals has no decision to make one from. */
export function unavailableBody(kind: RefusalBody, policies: readonly string[], laterSeconds: number): Body {
  const detail = `Rate limits cannot be checked at the moment. ${retryIn(UNAVAILABLE_SECONDS + laterSeconds)}`;
  if (kind !== 'problem') return { statusCode: 503, message: detail, error: 'Service Unavailable' };
  return {
    type: `${PROBLEM_TYPES}temporary-reduced-capacity`,
    title: 'Temporary Reduced Capacity',
    status: 503,
    detail,
    'violated-policies': policies,
  };
}

/** In the words of the limit that binds: with several, that is the one with the longest wait. */
function explain(decision: Decision, laterSeconds: number): string {
  const seconds = retryAfterSeconds(decision, laterSeconds);
  if (decision.isBlocked) return seconds === undefined ? BLOCKED : `${BLOCKED} ${retryIn(seconds)}`;
  const reason = asSentence(decision.mostRestrictive.policy.message ?? 'Rate limit exceeded.');
  return seconds === undefined
    ? `${reason} This request costs more than the limit ever allows.`
    : `${reason} ${retryIn(seconds)}`;
}

function retryIn(seconds: number): string {
  return `Retry in ${seconds} second${seconds === 1 ? '' : 's'}.`;
}

function asSentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

function violatedPolicies(decision: Decision): readonly string[] {
  return decision.policies.filter(({ allowed }) => !allowed).map(({ policy }) => policy.name);
}
