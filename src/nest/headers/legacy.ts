import type { Decision, PolicyDecision } from '../../core/decision.js';
import type { HeaderField } from './fields.js';
import type { LegacyHeadersOptions } from './headers.options.js';

/**
 * X-RateLimit-Limit, -Remaining and -Reset of the policy that binds: the longest wait of a refusal, else the least left
 * of its capacity. No standard defines these names; Reset is the instant at which the next token arrives, or now when
 * the bucket is full, as Unix time or as seconds from now, both whole and rounded up.
 *
 * @param laterSeconds so much later than that a refused request is told
 */
export function addLegacyFields(
  fields: HeaderField[],
  decision: Decision,
  options: Required<LegacyHeadersOptions>,
  unixMicros: (nowMicros: number) => number,
  laterSeconds: number,
): void {
  const binding = decision.mostRestrictive;
  const { name, quota, quotaSeconds } = binding.policy;
  fields.push(['X-RateLimit-Limit', String(quota)], ['X-RateLimit-Remaining', String(binding.remaining)]);
  const seconds = resetSeconds(binding, options.reset, unixMicros) + laterSeconds;
  // Of a block without an end there is no instant to tell.
  if (seconds !== Infinity) fields.push(['X-RateLimit-Reset', String(seconds)]);
  if (options.policy) fields.push(['X-RateLimit-Policy', `${quota};w=${quotaSeconds};name="${name}"`]);
}

function resetSeconds(
  binding: PolicyDecision,
  reset: 'epoch' | 'delta',
  unixMicros: (nowMicros: number) => number,
): number {
  // Back to the integer that the milliseconds were made of: a fraction left over would round up to a second too much.
  const untilNextTokenMicros = Math.round(binding.nextTokenAfterMs * 1000);
  const fromMicros = reset === 'epoch' ? (binding.unixMicros ?? unixMicros(binding.nowMicros)) : 0;
  return Math.ceil((fromMicros + untilNextTokenMicros) / 1_000_000);
}
