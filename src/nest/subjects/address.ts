import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Longer than any address with brackets, zone and port; what a forged header holds is not worth parsing. */
const MAX_LENGTH = 100;
const IPV4_AND_PORT = /^([\d.]+):\d{1,5}$/;
const BRACKETED = /^\[([^[\]]*:[^[\]]*)\](?::\d{1,5})?$/;
const ZONE = /%.*$/;

/** Eight groups of 16 bits. */
type Groups = readonly number[];

/**
 * The block of addresses that counts as one client, in one spelling: an IPv4 address as it is, IPv6 addresses by their
 * prefix (`2001:db8::/64`), since that is the least a customer gets. Decided by the bits, whatever the notation: IPv4
 * mapped into IPv6 (RFC 4291) and IPv4 behind NAT64 (RFC 6052) are IPv4. Loopback and link-local stay whole. Ports and
 * zones are dropped. `undefined` for anything that is not exactly one address, so IPv4 in octal or with parts left out.
 */
export function addressBlock(text: string, ipv6Prefix: number): string | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const address = withoutPort(text);
  const version = isIP(address);
  if (version === 4) return address;
  return version === 6 ? ipv6Block(groupsOf(address), ipv6Prefix) : undefined;
}

function withoutPort(text: string): string {
  const host = IPV4_AND_PORT.exec(text)?.[1] ?? BRACKETED.exec(text)?.[1] ?? text;
  return host.includes(':') ? host.replace(ZONE, '') : host;
}

/** A dotted end is spelled in hexadecimal first, because the parser would take `::203.0.113.7` for a mapped address. */
function groupsOf(ipv6: string): Groups {
  const endAt = ipv6.lastIndexOf(':') + 1;
  const end = ipv6.slice(endAt);
  if (!end.includes('.')) return ipaddr.IPv6.parse(ipv6).parts;
  const [a = 0, b = 0, c = 0, d = 0] = end.split('.').map(Number);
  const hexadecimal = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  return ipaddr.IPv6.parse(ipv6.slice(0, endAt) + hexadecimal).parts;
}

function ipv6Block(groups: Groups, prefix: number): string {
  if (isMapped(groups) || isNat64(groups)) {
    const [high = 0, low = 0] = groups.slice(6);
    return `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`;
  }
  if (isLoopback(groups) || isLinkLocal(groups)) return rfc5952(groups);
  const block = groups.map((group, i) => group & prefixMask(prefix - 16 * i));
  return `${rfc5952(block)}/${prefix}`;
}

/** ::ffff:0:0/96 */
function isMapped(groups: Groups): boolean {
  return groups[5] === 0xffff && areZero(groups, 0, 5);
}

/** 64:ff9b::/96 */
function isNat64(groups: Groups): boolean {
  return groups[0] === 0x64 && groups[1] === 0xff9b && areZero(groups, 2, 6);
}

/** ::1 */
function isLoopback(groups: Groups): boolean {
  return groups[7] === 1 && areZero(groups, 0, 7);
}

/** fe80::/10 */
function isLinkLocal([first = 0]: Groups): boolean {
  return (first & 0xffc0) === 0xfe80;
}

function areZero(groups: Groups, from: number, to: number): boolean {
  return groups.slice(from, to).every((group) => group === 0);
}

/** The mask of a group of which so many leading bits belong to the prefix. */
function prefixMask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 16 ? 0xffff : (0xffff << (16 - bits)) & 0xffff;
}

function rfc5952(groups: Groups): string {
  return new ipaddr.IPv6([...groups]).toRFC5952String();
}
