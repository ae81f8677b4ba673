import { addressBlock } from './address.js';

const TRIES = 100_000;
const FEWER_TRIES = 20_000;

/** The same numbers at every run, so that a failure can be repeated (Mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One of the many ways to write these eight groups: case, leading zeros, ::, dotted end, zone, brackets and port. */
function spelling(groups: readonly number[], random: (below: number) => number): string {
  const dotted = random(3) === 0;
  const texts = groups.slice(0, dotted ? 6 : 8).map((group) => {
    const digits = group.toString(16).padStart(1 + random(4), '0');
    return random(2) === 0 ? digits.toUpperCase() : digits;
  });
  const zeros = texts.flatMap((text, i) => (/^0+$/.test(text) ? [i] : []));
  const [high = 0, low = 0] = groups.slice(6);
  if (dotted) texts.push([high >> 8, high & 0xff, low >> 8, low & 0xff].join('.'));
  let text = texts.join(':');
  if (zeros.length > 0 && random(3) > 0) {
    const from = zeros[random(zeros.length)]!;
    let to = from + 1;
    while (zeros.includes(to) && random(4) > 0) to++;
    text = `${texts.slice(0, from).join(':')}::${texts.slice(to).join(':')}`;
  }
  if (random(4) === 0) text += `%eth${random(100)}`;
  if (random(4) === 0) text = random(2) === 0 ? `[${text}]` : `[${text}]:${random(65_536)}`;
  return text;
}

const randomGroups = (random: (below: number) => number): number[] =>
  Array.from({ length: 8 }, () => (random(3) === 0 ? 0 : random(65_536)));

/** The block by arithmetic on 128 bits, as a number and so independent of any spelling. */
function expectedBlock(groups: readonly number[], prefix: number): string {
  const bits = groups.reduce((sum, group) => sum * 65_536n + BigInt(group), 0n);
  const isMapped = bits >> 32n === 0xffffn;
  const isNat64 = bits >> 32n === 0x64_ff9b_0000_0000_0000_0000n;
  if (isMapped || isNat64) return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join('.');
  const whole = bits === 1n || bits >> 118n === 0xfe80n >> 6n;
  const shift = BigInt(128 - prefix);
  return whole ? `/128 ${bits}` : `/${prefix} ${(bits >> shift) << shift}`;
}

/** Reads a block back by counting the groups around `::`, to be compared with {@link expectedBlock}. */
function readBack(block: string | undefined): string {
  const [address = '', prefix = '128'] = (block ?? '').split('/');
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const parse = (text: string): bigint[] => (text === '' ? [] : text.split(':').map((group) => BigInt(`0x${group}`)));
  const [before, after] = [parse(head), parse(tail ?? '')];
  const gap = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => 0n);
  return `/${prefix} ${[...before, ...gap, ...after].reduce((sum, group) => sum * 65_536n + group, 0n)}`;
}

describe('addressBlock', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['::FFFF:CB00:7107', '203.0.113.7'],
    ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
    ['0000:0000:0000:0000:0000:ffff:cb00:7107', '203.0.113.7'],
    ['64:ff9b::203.0.113.7', '203.0.113.7'],
    ['64:ff9b::cb00:7107', '203.0.113.7'],
    ['64:ff9b:1::203.0.113.7', '64:ff9b:1::/64'],
    ['2001:db8:1234:5678::1', '2001:db8:1234:5678::/64'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::/64'],
    ['2001:db8::1', '2001:db8::/64'],
    ['2001:db8::203.0.113.7', '2001:db8::/64'],
    ['2001:0db8:0000:0001:ffff:ffff:ffff:ffff', '2001:db8:0:1::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
    ['::', '::/64'],
    ['::203.0.113.7', '::/64'],
    ['::cb00:7107', '::/64'],
    ['::ffff:0:203.0.113.7', '::/64'],
    ['fe80::1%eth0', 'fe80::1'],
    ['fe80::1%25eth0.100', 'fe80::1'],
    ['FE80:0:0:0:0:0:0:1', 'fe80::1'],
    ['febf::1', 'febf::1'],
    ['fec0::1', 'fec0::/64'],
    ['fd00:1:2:3::4', 'fd00:1:2:3::/64'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::2', '::/64'],
    ['203.0.113.7:51234', '203.0.113.7'],
    ['[2001:db8::1]:443', '2001:db8::/64'],
    ['[2001:db8::1]', '2001:db8::/64'],
    ['[::ffff:203.0.113.7]:80', '203.0.113.7'],
    ['[fe80::1%eth0]:443', 'fe80::1'],
  ])('groups %s as %s', (text, block) => {
    expect(addressBlock(text, 64)).toBe(block);
  });

  it.each([
    [32, '2001:db8::/32'],
    [48, '2001:db8:1234::/48'],
    [56, '2001:db8:1234:5600::/56'],
    [63, '2001:db8:1234:5678::/63'],
    [60, '2001:db8:1234:5670::/60'],
    [64, '2001:db8:1234:5679::/64'],
  ])('groups IPv6 by /%i', (prefix, block) => {
    expect(addressBlock('2001:db8:1234:5679::1', prefix)).toBe(block);
    expect(addressBlock('::ffff:203.0.113.7', prefix)).toBe('203.0.113.7');
  });

  it.each([
    ...['', ' ', 'unknown', '_hidden', 'localhost', '-', '0', '3405803783', '0xcb007107'],
    ...['203.0.113', '203.0.28935', '203.113.7', '0313.0.113.7', '203.0.113.07', '203.00.113.7', '0xcb.0.113.7'],
    ...[
      '203.0.113.256',
      '203.0.113.7.1',
      '203.0.113.-7',
      ' 203.0.113.7',
      '203.0.113.7 ',
      '203.0.113.7\n',
      '٢٠٣.٠.١١٣.٧',
    ],
    ...['203.0.113.7:', '203.0.113.7:x', '203.0.113.7:123456', '203.0.113.7:1:2', '203.0.113.7%eth0', '203.0.113.7/24'],
    ...[
      '[203.0.113.7]',
      '[203.0.113.7]:80',
      '[2001:db8::1',
      '2001:db8::1]',
      '[2001:db8::1]:',
      '[2001:db8::1]x',
      '[[::1]]',
    ],
    ...[
      ':',
      ':::',
      '1::2::3',
      '12345::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '2001:db8::1/64',
      'g::',
      '::1 ',
      '%eth0',
    ],
    ...['::ffff:0313.0.113.7', '::ffff:203.0.113', '::ffff:0xcb.0.113.7', '::ffff:203.0.113.256', '203.0.113.7::'],
    ...['203.0.113.7, 198.51.100.1', '2001:db8::1, ::1', `${'0'.repeat(200)}:1`, `::1%${'x'.repeat(200)}`],
  ])('takes %j for no address', (text) => {
    expect(addressBlock(text, 64)).toBeUndefined();
  });

  it.each([64, 56, 37])('agrees with arithmetic on random addresses, whatever the spelling (/%i)', (prefix) => {
    const random = randomFrom(prefix);
    const wrong: string[] = [];
    for (let i = 0; i < FEWER_TRIES; i++) {
      const groups = randomGroups(random);
      const kind = random(6);
      if (kind === 0) groups.splice(0, 6, 0, 0, 0, 0, 0, 0xffff);
      if (kind === 1) groups.splice(0, 6, 0x64, 0xff9b, 0, 0, 0, 0);
      if (kind === 2) groups[0] = 0xfe80 + random(256);
      const text = spelling(groups, random);
      if (readBack(addressBlock(text, prefix)) !== expectedBlock(groups, prefix)) wrong.push(text);
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    ['an IPv6 address', [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x1a], TRIES],
    ['a mapped IPv4 address', [0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7107], FEWER_TRIES],
    ['an address behind NAT64', [0x64, 0xff9b, 0, 0, 0, 0, 0xcb00, 0x7107], FEWER_TRIES],
    ['a link-local address', [0xfe80, 0, 0, 0, 0, 0, 0, 0xa], FEWER_TRIES],
  ])('gives all spellings of %s one subject', (_case, groups, tries) => {
    const random = randomFrom(7);
    const spellings = new Set<string>();
    const blocks = new Set<string | undefined>();
    for (let i = 0; i < tries; i++) {
      const text = spelling(groups, random);
      spellings.add(text);
      blocks.add(addressBlock(text, 64));
    }
    expect(spellings.size).toBeGreaterThan(tries / 10);
    expect(blocks.size).toBe(1);
  });

  it('gives all hosts of a /64 one subject and every /64 its own', () => {
    const random = randomFrom(11);
    const hosts = new Set<string | undefined>();
    const networks = new Set<string | undefined>();
    for (let i = 0; i < TRIES; i++) {
      const host = Array.from({ length: 4 }, () => random(65_536));
      hosts.add(addressBlock(spelling([0x2001, 0xdb8, 1, 2, ...host], random), 64));
      networks.add(addressBlock(spelling([0x2001, 0xdb8, i >> 16, i & 0xffff, ...host], random), 64));
    }
    expect([...hosts]).toEqual(['2001:db8:1:2::/64']);
    expect(networks.size).toBe(TRIES);
  });

  it('keeps IPv4 clients apart when they arrive as mapped addresses', () => {
    const random = randomFrom(13);
    const blocks = new Set<string | undefined>();
    for (let i = 0; i < TRIES; i++) {
      const groups = [0, 0, 0, 0, 0, 0xffff, 0x0a00 + (i >> 16), i & 0xffff];
      blocks.add(addressBlock(spelling(groups, random), 64));
    }
    expect(blocks.size).toBe(TRIES);
  });
});
