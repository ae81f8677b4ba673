import { createHmac } from 'node:crypto';
import { describeValue, misconfigured } from '../core/errors.js';
import { checkOptions } from '../core/options.js';

/** How clients are told which bucket an answer speaks of. */
export interface PartitionKeyOptions {
  /** Key of the hash. With another one all partition keys are other ones. */
  readonly secret: string;
}

/** A secret that can be tried out is none, and a hash of an address without one is as good as the address. */
const SHORTEST_SECRET = 16;
/** Enough that two clients never have the same key; 16 characters on the wire. */
const BYTES = 12;

/**
 * The `pk` of a policy and a subject (draft-11, sections 3.1.4 and 4.1.3) as a Byte Sequence of RFC 9651. It is the
 * beginning of an HMAC of the id of the policy and the subject, so it tells buckets apart without telling whose they are.
 */
export function partitionKey({ secret }: PartitionKeyOptions, policyId: string, subject: string): string {
  const hash = createHmac('sha256', secret)
    .update(policyId + spelled(subject), 'utf8')
    .digest();
  return `:${hash.subarray(0, BYTES).toString('base64')}:`;
}

/**
 * The id has no control characters, so no other id and subject give the same text. UTF-8 has no lone surrogates and would
 * make all of them one character: such a subject is written as JSON, behind another separator.
 */
function spelled(subject: string): string {
  return /\p{Surrogate}/u.test(subject) ? `\u0001${JSON.stringify(subject)}` : `\0${subject}`;
}

/** @throws RateLimitConfigurationError for a secret that is none. */
export function checkedPartitionKey(given: unknown, where: string): PartitionKeyOptions | false {
  if (given === undefined || given === false) return false;
  if (given === true) {
    misconfigured(where, 'partitionKey is true', 'pass the secret that subjects are hashed with: { secret }');
  }
  const at = `${where}.partitionKey`;
  checkOptions(given, ['secret'], at);
  const { secret } = given as Partial<Record<string, unknown>>;
  if (typeof secret !== 'string' || secret.length < SHORTEST_SECRET) {
    misconfigured(
      at,
      // Never the secret itself: messages are logged.
      `secret is ${typeof secret === 'string' ? `a text of ${secret.length} characters` : describeValue(secret)}`,
      `pass a random text of at least ${SHORTEST_SECRET} characters, the same in all instances`,
    );
  }
  return { secret };
}
