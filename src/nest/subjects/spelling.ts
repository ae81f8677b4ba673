import { describeValue } from '../../core/errors.js';
import { InvalidOverrideError } from '../../core/overrides/override-errors.js';
import { isIpv6Prefix, MOST_IPV6_PREFIX } from './address.js';
import { addressSubjects } from './address-subjects.js';

const KIND = 'ip:';

/**
 * Checks a subject that somebody typed: one by address has a spelling of its own, and in any other nobody would be found.
 * @throws InvalidOverrideError that names the right one
 */
export function checkSpelling(subject: string, where: string): void {
  const isOfKind = subject.slice(0, KIND.length).toLowerCase() === KIND;
  const text = isOfKind ? subject.slice(KIND.length) : subject;
  const spelled = spelling(text);
  if (spelled === subject || (spelled === undefined && !isOfKind)) return;
  const [expected, remedy] =
    spelled === undefined
      ? ['an address such as "ip:203.0.113.7" or "ip:2001:db8::/64"', 'write one address']
      : [
          describeValue(spelled),
          'spell it so; IPv6 addresses count by blocks, as long as the ipv6Prefix of the limit says',
        ];
  throw new InvalidOverrideError(
    `${where}: the subject is ${describeValue(subject)}; limits by address expect ${expected}. Remedy: ${remedy}.`,
  );
}

/** The subject of an address, or of the block of addresses that is written so. */
function spelling(text: string): string | undefined {
  const slash = text.lastIndexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const bits = slash < 0 ? MOST_IPV6_PREFIX : Number(text.slice(slash + 1));
  return addressSubjects(isIpv6Prefix(bits) ? bits : MOST_IPV6_PREFIX).of(address);
}
