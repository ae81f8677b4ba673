import { createHash } from 'node:crypto';
import { isIP } from 'node:net';

/** Hexadecimal digits of the hash: 48 bits, of which among a million clients two agree with a chance of 1 in 500. */
const HASH_LENGTH = 12;

/** A header's name is written by the application, but a resolver of its own may yield whatever it likes. */
const HEADER = /^header:([a-z0-9_-]{1,64}):/;
const KINDS = ['ip', 'user', 'header', 'custom'] as const;

/**
 * A subject as logs and metrics may show it, the same for the same subject in every process: an address and `everyone`
 * as they are, of everybody else the kind and the beginning of a SHA-256, as in `user#ea3fd43be1e5`. Never
 * longer than 100 characters, all of them printable ASCII.
 *
 * The hash has no key, so that a label can be found for a client who asks, `clientLabel('user:42')`. Who can guess a
 * subject, a number of a user or an e-mail address, can check the guess.
 */
export function clientLabel(subject: string): string {
  if (subject === 'everyone' || isAddress(subject)) return subject;
  return `${kindOf(subject)}#${hash(subject)}`;
}

function isAddress(subject: string): boolean {
  if (!subject.startsWith('ip:')) return false;
  const [, address = '', prefix = ''] = /^([^/%]{1,45})(?:\/(\d{1,3}))?$/.exec(subject.slice(3)) ?? [];
  return isIP(address) > 0 && (prefix === '' || Number(prefix) <= 128);
}

function kindOf(subject: string): string {
  const header = HEADER.exec(subject)?.[1];
  if (header !== undefined) return `header:${header}`;
  return KINDS.find((kind) => subject.startsWith(`${kind}:`)) ?? 'other';
}

/** Over UTF-8, so that a shell can do the same; only subjects that are no text, with lone surrogates, may share a label. */
function hash(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, HASH_LENGTH);
}
