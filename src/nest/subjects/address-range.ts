import { describeValue, misconfigured } from '../../core/errors.js';
import { addressGroups, addressText, type Groups, networkOf, prefixMask } from './address.js';

const RANGE = /^([^/[\]%]+)(?:\/(\d{1,3}))?$/;

/** The addresses that begin with the same bits; a lone address is the range of itself. */
export class AddressRange {
  private constructor(
    private readonly network: Groups,
    private readonly prefix: number,
  ) {}

  /**
   * Reads `10.0.0.0/8`, `2001:db8::/32` or a lone address. IPv4 written as IPv6 (`::ffff:10.0.0.0/104`) is IPv4.
   *
   * @throws RateLimitConfigurationError for anything else, and for an address that does not begin its range: nobody can
   * tell whether `10.1.2.3/8` means the one address or the range, and to guess could let sixteen million others in.
   */
  static parse(text: unknown, where: string): AddressRange {
    const [, address, length] = (typeof text === 'string' ? RANGE.exec(text) : null) ?? [];
    const groups = address === undefined || hasPort(address) ? undefined : addressGroups(address);
    if (address === undefined || groups === undefined) {
      return misconfigured(
        where,
        `${describeValue(text)} is no range of addresses`,
        'write a range such as "10.0.0.0/8" or "2001:db8::/32", or a lone address without port and zone',
      );
    }
    const bits = 16 * groups.length;
    // Written as IPv6, where IPv4 begins at bit 96.
    const before = address.includes(':') ? 128 - bits : 0;
    const prefix = length === undefined ? bits : Number(length) - before;
    if (prefix < 0 || prefix > bits) {
      misconfigured(
        where,
        `the prefix length of ${describeValue(text)} is ${length}; expected an integer from ${before} to ${before + bits}`,
        'write how many leading bits all addresses of the range have in common',
      );
    }
    const network = networkOf(groups, prefix);
    if (network.some((group, i) => group !== groups[i])) {
      const [lone, range] = [addressText(groups), `${addressText(network)}/${prefix}`];
      misconfigured(
        where,
        `${describeValue(text)} has bits set behind its prefix of ${length} bits`,
        `write "${range}" for the range, or "${lone}" for the one address`,
      );
    }
    return new AddressRange(network, prefix);
  }

  /** Whether the address begins with the bits of the range; IPv4 and IPv6 are never in each other's. */
  contains(address: Groups): boolean {
    const { network, prefix } = this;
    if (address.length !== network.length) return false;
    return network.every((group, i) => ((address[i]! ^ group) & prefixMask(prefix - 16 * i)) === 0);
  }
}

/** `addressGroups` drops a port behind IPv4; in a range it is a mistake. */
function hasPort(address: string): boolean {
  return address.includes('.') && /:\d+$/.test(address);
}
