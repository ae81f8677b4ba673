import { addressBlock } from './address.js';

const GENERATION_SIZE = 10_000;

/**
 * The subject of an address, remembered, because it is needed at every request and parsing is slow. Two generations
 * bound the memory without bookkeeping per use: when the young one is full it becomes the old one, which is dropped
 * next; an address in use moves up before that. What is no address is not remembered, so nobody can fill this with it.
 */
export class AddressSubjects {
  private young = new Map<string, string>();
  private old = new Map<string, string>();

  constructor(
    private readonly ipv6Prefix: number,
    private readonly generationSize = GENERATION_SIZE,
  ) {}

  /** `ip:` and the address block, or undefined when the text is not an address. */
  of(text: string): string | undefined {
    return this.young.get(text) ?? this.ofOlder(text);
  }

  /** Addresses remembered now; never more than two generations. */
  get size(): number {
    return this.young.size + this.old.size;
  }

  private ofOlder(text: string): string | undefined {
    const known = this.old.get(text);
    if (known !== undefined) return this.remember(ownCopy(text), known);
    const block = addressBlock(text, this.ipv6Prefix);
    return block === undefined ? undefined : this.remember(ownCopy(text), ownCopy(`ip:${block}`));
  }

  private remember(text: string, subject: string): string {
    if (this.young.size >= this.generationSize) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(text, subject);
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

/** The same text in memory of its own: a part of a string keeps the whole alive, here a header of up to 16 KB. */
function ownCopy(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1');
}
