import { encodePart } from '../bucket-key.js';
import { isText } from './override-checks.js';
import { numbersOf, type OverrideNumbers } from './override.js';

/** A limit with other numbers, or a subject that is blocked, as all processes are told. */
export type OverrideRecord = LimitRecord | BlockRecord;

export interface LimitRecord {
  readonly kind: 'limit';
  /** The policy's id. */
  readonly policy: string;
  /** Left out: every subject. */
  readonly subject?: string;
  readonly numbers: OverrideNumbers;
  readonly reason?: string;
}

export interface BlockRecord {
  readonly kind: 'block';
  readonly subject: string;
  readonly reason?: string;
}

/** What there is one of. */
export type OverrideKey = Pick<LimitRecord, 'kind' | 'policy' | 'subject'> | Pick<BlockRecord, 'kind' | 'subject'>;

/** A slash never comes out of an encoded part, so no other gives the same text. */
export function overrideKey(of: OverrideKey): string {
  const parts: string[] = [of.kind];
  if (of.kind === 'limit') parts.push(encodePart(of.policy));
  if (of.subject !== undefined) parts.push(encodePart(of.subject));
  return parts.join('/');
}

export function overrideText(record: OverrideRecord): string {
  return JSON.stringify(record);
}

/** What a text of this key means; undefined where it means nothing: other versions and other hands write there, too. */
export function readOverride(key: string, text: string): OverrideRecord | undefined {
  const written = parse(text);
  if (written === undefined) return undefined;
  const record = toRecord(written);
  return record !== undefined && overrideKey(record) === key ? record : undefined;
}

function toRecord({ kind, policy, subject, numbers, reason }: Readonly<Record<string, unknown>>) {
  const beside = isText(reason) ? { reason } : {};
  if (kind === 'block') return isText(subject) ? ({ kind, subject, ...beside } as const) : undefined;
  if (kind !== 'limit' || !isText(policy) || typeof numbers !== 'object' || numbers === null) return undefined;
  if (subject !== undefined && !isText(subject)) return undefined;
  return {
    kind,
    policy,
    ...(subject === undefined ? {} : { subject }),
    numbers: numbersOf(numbers),
    ...beside,
  } as const;
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
