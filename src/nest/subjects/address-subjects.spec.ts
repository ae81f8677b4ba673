import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { addressBlock } from './address.js';
import { AddressSubjects, addressSubjects } from './address-subjects.js';

jest.mock('./address.js', () => {
  const actual = jest.requireActual<{ addressBlock: typeof addressBlock }>('./address.js');
  return { addressBlock: jest.fn(actual.addressBlock) };
});
const parsed = jest.mocked(addressBlock);

const address = (i: number): string => `2001:db8:1:${(i + 1).toString(16)}:2:3:4:5`;
const block = (i: number): string => `2001:db8:1:${(i + 1).toString(16)}::/64`;

describe('AddressSubjects', () => {
  it('puts the kind in front', () => {
    const subjects = new AddressSubjects(64);
    expect(subjects.of('203.0.113.7')).toBe('ip:203.0.113.7');
    expect(subjects.of('2001:db8::1')).toBe('ip:2001:db8::/64');
    expect(subjects.of('::1')).toBe('ip:::1');
  });

  it('answers the same from memory', () => {
    const subjects = new AddressSubjects(64, 2);
    const texts = ['2001:db8::1', '[2001:db8::1]:443', '203.0.113.7:1', '2001:db8::1', 'fe80::1%eth0', '2001:db8::1'];
    const answers = texts.map((text) => subjects.of(text));
    expect(answers).toEqual(texts.map((text) => new AddressSubjects(64).of(text)));
  });

  it('remembers two generations at most', () => {
    const subjects = new AddressSubjects(64, 100);
    for (let i = 0; i < 1000; i++) {
      expect(subjects.of(address(i))).toBe(`ip:${block(i)}`);
      expect(subjects.size).toBeLessThanOrEqual(200);
    }
    expect(subjects.size).toBe(200);
  });

  it('parses an address once while it is in use', () => {
    const subjects = new AddressSubjects(64, 100);
    parsed.mockClear();
    for (let i = 0; i < 1000; i++) {
      subjects.of(address(i));
      if (i % 50 === 0) expect(subjects.of('2001:db8::1')).toBe('ip:2001:db8::/64');
    }
    expect(parsed).toHaveBeenCalledTimes(1001);
  });

  it('has nothing to remember of IPv4', () => {
    const subjects = new AddressSubjects(64);
    expect(subjects.of('203.0.113.7')).toBe('ip:203.0.113.7');
    expect(subjects.size).toBe(0);
  });

  it('does not remember what is no address', () => {
    const subjects = new AddressSubjects(64);
    for (const text of ['', 'unknown', '203.0.113', 'x'.repeat(10_000)]) expect(subjects.of(text)).toBeUndefined();
    expect(subjects.size).toBe(0);
  });

  it('does not keep the headers alive that addresses were cut from', () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const subjects = new AddressSubjects(64);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 2000; i++) {
      for (const spelled of [address(i), `[${address(i)}]:12345`]) {
        const header = `${' '.repeat(50_000)}${spelled}`;
        expect(subjects.of(header.slice(50_000))).toBe(`ip:${block(i)}`);
      }
    }
    // The mock remembers what it was called with.
    parsed.mockClear();
    collectGarbage();
    expect(subjects.size).toBe(4000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000);
  });

  it('is shared by prefix', () => {
    expect(addressSubjects(64)).toBe(addressSubjects(64));
    expect(addressSubjects(64)).not.toBe(addressSubjects(56));
    expect(addressSubjects(56).of('2001:db8:1234:5678::1')).toBe('ip:2001:db8:1234:5600::/56');
  });
});
