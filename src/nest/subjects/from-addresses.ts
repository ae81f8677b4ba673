import type { ExecutionContext } from '@nestjs/common';
import { describeValue, misconfigured } from '../../core/errors.js';
import { checkOptions } from '../../core/options.js';
import { httpRequestOf, isHttp } from '../transports/http-request.js';
import { addressGroups } from './address.js';
import { AddressRange } from './address-range.js';
import { rejectUnlimitedTrust } from './proxy-trust.js';

/** Ranges that a message names. */
const SHOWN = 3;

/** How {@link fromAddresses} finds the address. */
export interface FromAddressesOptions {
  /**
   * Accepts that the platform trusts every proxy, which otherwise is an error at start, and at every request where a
   * function asks it. Only right when all requests come through a proxy that overwrites X-Forwarded-For; else clients
   * choose an address of the list. Default: false.
   */
  readonly trustAnyProxy?: boolean;
}

/** Says of a request whether it comes from one of some addresses. */
export interface AddressPredicate {
  (context: ExecutionContext): boolean;
  /** As written in code, for messages: `fromAddresses("10.0.0.0/8")`. */
  readonly description: string;
  /** Whether it matters which proxies are trusted. */
  readonly usesAddress: boolean;
}

/**
 * Whether a request comes from one of these addresses, for `skipIf: fromAddresses('10.0.0.0/8', '2001:db8::/32')`.
 * A range is an address, `/` and the number of leading bits that count; a lone address is itself only; no range is nobody.
 * The address is that of the platform (`request.ip`, so by the proxy settings of Express or Fastify). IPv4 mapped into
 * IPv6 is IPv4; IPv4 behind NAT64 stays IPv6, because whoever runs a NAT64 can put any address there. False where a
 * request shows no address, and for whatever is no HTTP request. Wherever it is asked, by a function of yours too, it
 * throws RateLimitConfigurationError where every proxy is trusted.
 *
 * @throws RateLimitConfigurationError for what is no range, and for a range with bits set behind its prefix (`10.1.2.3/8`).
 */
export function fromAddresses(...ranges: readonly string[]): AddressPredicate;
/** The same with a list, and options. */
export function fromAddresses(ranges: readonly string[], options?: FromAddressesOptions): AddressPredicate;
export function fromAddresses(...args: readonly unknown[]): AddressPredicate {
  const [texts, options] = Array.isArray(args[0]) ? [args[0] as unknown[], args[1] ?? {}] : [args, {}];
  checkOptions(options, ['trustAnyProxy'], 'fromAddresses()');
  const { trustAnyProxy = false } = options as FromAddressesOptions;
  if (typeof trustAnyProxy !== 'boolean') {
    misconfigured('fromAddresses()', `trustAnyProxy is ${describeValue(trustAnyProxy)}`, 'use true or false');
  }
  const ranges = texts.map((text) => AddressRange.parse(text, 'fromAddresses()'));
  const shown = texts.slice(0, SHOWN).map(describeValue);
  if (texts.length > SHOWN) shown.push('…');
  const description = `fromAddresses(${shown.join(', ')})`;
  const isInside = (context: ExecutionContext): boolean => {
    if (!isHttp(context)) return false;
    const request = httpRequestOf(context);
    if (!trustAnyProxy) rejectUnlimitedTrust(request, description, context);
    const { ip } = request;
    const address = typeof ip === 'string' ? addressGroups(ip) : undefined;
    return address !== undefined && ranges.some((range) => range.contains(address));
  };
  return Object.assign(isInside, { description, usesAddress: !trustAnyProxy });
}
