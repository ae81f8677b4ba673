import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Longer than any address with brackets, zone and port; what a forged header holds is not worth parsing. */
const MAX_LENGTH = 100;
const IPV4_AND_PORT = /^([\d.]+):\d{1,5}$/;
const BRACKETED = /^\[([^[\]]*:[^[\]]*)\](?::\d{1,5})?$/;
const ZONE = /%.*$/;

const LEAST_IPV6_PREFIX = 32;
/** The bits of an IPv6 address that its network is named by: the least that a customer gets. */
export const MOST_IPV6_PREFIX = 64;

/** Whether so many leading bits of an IPv6 address may make one client. */
export function isIpv6Prefix(bits: number): boolean {
  return Number.isInteger(bits) && bits >= LEAST_IPV6_PREFIX && bits <= MOST_IPV6_PREFIX;
}

/** Groups of 16 bits: two of IPv4, eight of IPv6. */
export type Groups = readonly number[];

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
  return version === 6 ? ipv6Block(ipv6Groups(address), ipv6Prefix) : undefined;
}

/** The bits of an address, without its port and zone; of IPv4 also where it is mapped into IPv6. As strict as above. */
export function addressGroups(text: string): Groups | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const address = withoutPort(text);
  const version = isIP(address);
  if (version === 4) return ipv4Groups(address);
  if (version !== 6) return undefined;
  const groups = ipv6Groups(address);
  return isMapped(groups) ? groups.slice(6) : groups;
}

function withoutPort(text: string): string {
  const host = IPV4_AND_PORT.exec(text)?.[1] ?? BRACKETED.exec(text)?.[1] ?? text;
  return host.includes(':') ? host.replace(ZONE, '') : host;
}

/** A dotted end is spelled in hexadecimal first, because the parser would take `::203.0.113.7` for a mapped address. */
function ipv6Groups(ipv6: string): Groups {
  const endAt = ipv6.lastIndexOf(':') + 1;
  const end = ipv6.slice(endAt);
  if (!end.includes('.')) return ipaddr.IPv6.parse(ipv6).parts;
  const hexadecimal = ipv4Groups(end)
    .map((group) => group.toString(16))
    .join(':');
  return ipaddr.IPv6.parse(ipv6.slice(0, endAt) + hexadecimal).parts;
}

function ipv4Groups(ipv4: string): Groups {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

function ipv6Block(groups: Groups, prefix: number): string {
  if (isMapped(groups) || isNat64(groups)) {
    return addressText(groups.slice(6));
  }
  if (isLoopback(groups) || isLinkLocal(groups)) return addressText(groups);
  return `${addressText(networkOf(groups, prefix))}/${prefix}`;
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

/** The address with all bits behind the prefix cleared. */
export function networkOf(groups: Groups, prefix: number): Groups {
  return groups.map((group, i) => group & prefixMask(prefix - 16 * i));
}

/** The mask of a group of which so many leading bits belong to the prefix. */
export function prefixMask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 16 ? 0xffff : (0xffff << (16 - bits)) & 0xffff;
}

/** In the one spelling that messages and subjects use (RFC 5952). */
export function addressText(groups: Groups): string {
  if (groups.length === 8) return new ipaddr.IPv6([...groups]).toRFC5952String();
  return groups.map((group) => `${group >> 8}.${group & 0xff}`).join('.');
}
