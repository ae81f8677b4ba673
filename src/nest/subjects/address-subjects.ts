import { isIPv4 } from 'node:net';
import { ownCopy } from '../../core/own-copy.js';
import { RecentMap } from '../../core/recent-map.js';
import { addressBlock } from './address.js';

const GENERATION_SIZE = 10_000;

/**
 * The subject of an address; that of IPv6 is remembered, because it is needed at every request and parsing is slow. What is no address
 * is not remembered, so nobody can fill this with it.
 */
export class AddressSubjects {
  private readonly subjects: RecentMap<string>;

  constructor(
    private readonly ipv6Prefix: number,
    generationSize = GENERATION_SIZE,
  ) {
    this.subjects = new RecentMap(generationSize);
  }

  /** `ip:` and the address block, or undefined when the text is not an address. */
  of(text: string): string | undefined {
    // Nothing to find out, and sooner made than found.
    return isIPv4(text) ? `ip:${text}` : (this.subjects.get(text) ?? this.find(text));
  }

  /** Addresses remembered now. */
  get size(): number {
    return this.subjects.size;
  }

  private find(text: string): string | undefined {
    const block = addressBlock(text, this.ipv6Prefix);
    if (block === undefined) return undefined;
    const subject = ownCopy(`ip:${block}`);
    this.subjects.set(text, subject);
    return subject;
  }
}

const sharedByPrefix = new Map<number, AddressSubjects>();

/** One memory per prefix length: `ip()` may be written at every route. */
export function addressSubjects(ipv6Prefix: number): AddressSubjects {
  let shared = sharedByPrefix.get(ipv6Prefix);
  if (shared === undefined) {
    shared = new AddressSubjects(ipv6Prefix);
    sharedByPrefix.set(ipv6Prefix, shared);
  }
  return shared;
}
