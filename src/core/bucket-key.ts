import { createHash } from 'node:crypto';

/** Longer parts are replaced by their hash: they cost memory per bucket, and an attacker chooses how many there are. */
const LONGEST_PLAIN_PART = 128;
const PLAIN = /^[A-Za-z0-9_.:@-]*$/;
const NOT_PLAIN = /[^A-Za-z0-9_.:@-]/g;

/**
 * One part of a storage key, spelled so that no other part gives the same text and none can forge a separator.
 * Letters, digits and `_ . : @ -` stay; every other UTF-16 code unit (braces, slashes, NUL, lone surrogates) becomes
 * `%` and four hexadecimal digits; parts over 128 characters become `%#` and a SHA-256.
 */
export function encodePart(part: string): string {
  if (part.length > LONGEST_PLAIN_PART) return `%#${digest(part)}`;
  if (PLAIN.test(part)) return part;
  return part.replace(NOT_PLAIN, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * The subject as a key of an in-memory map: itself where that is safe, else an equally unique text.
 * Long subjects are hashed. A subject that begins with a digit gets a prefix, because V8 hashes integer-like strings
 * predictably, which would let an attacker make keys collide (CVE-2026-21717).
 */
export function mapKey(subject: string): string {
  return isSafeKey(subject) ? subject : safeKey(subject);
}

// In pieces that are small enough to be inlined wherever a bucket is looked up.
function isSafeKey(subject: string): boolean {
  return subject.length <= LONGEST_PLAIN_PART && !isHashOrDigit(subject.charCodeAt(0));
}

function safeKey(subject: string): string {
  return subject.length > LONGEST_PLAIN_PART ? `#h${digest(subject)}` : `#s${subject}`;
}

function isHashOrDigit(unit: number): boolean {
  return unit === 0x23 || (unit >= 0x30 && unit <= 0x39);
}

/** UTF-16 bytes, not UTF-8: lone surrogates would all become the same replacement character. */
function digest(text: string): string {
  return createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('base64url');
}
