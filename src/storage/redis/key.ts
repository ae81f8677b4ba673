import { encodePart } from '../../core/bucket-key.js';
import type { Bucket } from '../../core/charge.js';

/**
 * `prefix{subject}place/policy`, and of a sliding window `~log` or `~counter`, which no name of a policy ends in. The encoded subject holds no brace, so it is the hash tag, all buckets of one subject
 * are in one slot of a cluster, and no subject can be mistaken for another one with a piece of a place. A policy's id
 * is taken as it is: UTF-8 can spell it, because Policy takes no other place.
 */
export function bucketKey(prefix: string, { subject, policy }: Bucket): string {
  return `${prefix}{${encodePart(subject)}}${policy.stateId}`;
}

/** A key that belongs to no bucket, because no subject is empty; or one beside the buckets of a subject: no policy is. */
export function probeKey(prefix: string, subject?: string): string {
  return subject === undefined ? `${prefix}{}probe` : `${prefix}{${encodePart(subject)}}`;
}

/** Whose slot of a cluster has what is decided at run time. */
export const OVERRIDES_SUBJECT = 'overrides';

/** Beside the buckets of that subject, if it has any: no id of a policy begins with a number sign and holds no slash. */
export function overrideKeys(prefix: string): readonly [entries: string, versions: string] {
  const tag = `${prefix}{${encodePart(OVERRIDES_SUBJECT)}}`;
  return [`${tag}#entries`, `${tag}#versions`];
}
