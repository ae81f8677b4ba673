import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { ExecutionContext } from '@nestjs/common';
import { RateLimitConfigurationError } from '../../core/errors.js';
import { type AddressPredicate, fromAddresses } from './from-addresses.js';

const contextOf = (request: unknown, type = 'http') =>
  ({ getType: () => type, getArgByIndex: () => request }) as unknown as ExecutionContext;
const from = (ip: unknown) => contextOf({ ip, headers: {} });

describe('fromAddresses', () => {
  it.each([
    ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '10.1.2.3:51234'], ['9.255.255.255', '11.0.0.0', '::a00:1']],
    ['192.0.2.128/25', ['192.0.2.128', '192.0.2.255'], ['192.0.2.127', '192.0.3.128']],
    ['198.18.0.0/15', ['198.18.0.0', '198.19.255.255'], ['198.17.255.255', '198.20.0.0']],
    ['203.0.113.7', ['203.0.113.7', '::ffff:203.0.113.7', '::FFFF:CB00:7107'], ['203.0.113.6', '::203.0.113.7']],
    ['203.0.113.7/32', ['203.0.113.7', '[::ffff:cb00:7107]:443'], ['203.0.113.8']],
    ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255', '::ffff:1.2.3.4'], ['::', '2001:db8::1']],
    ['0.0.0.0/1', ['127.255.255.255'], ['128.0.0.0']],
    ['::ffff:10.0.0.0/104', ['10.1.2.3', '::ffff:a01:203'], ['11.0.0.0', '::a01:203']],
    ['::FFFF:cb00:7107', ['203.0.113.7'], ['203.0.113.8']],
    ['2001:db8::/32', ['2001:db8::', '2001:DB8:ffff::1', '[2001:db8::1]:443'], ['2001:db7:ffff::', '2001:db9::']],
    ['2001:db8:0:8000::/49', ['2001:db8:0:8000::1', '2001:db8:0:ffff::'], ['2001:db8:0:7fff::', '2001:db8:1:8000::']],
    ['2001:db8::1', ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1'], ['2001:db8::2', '2001:db8::']],
    ['::1', ['::1'], ['127.0.0.1', '::']],
    ['::1/128', ['0:0:0:0:0:0:0:1'], ['::2']],
    ['fe80::/10', ['fe80::1%eth0', 'febf::1'], ['fec0::1']],
    ['::/0', ['::', '2001:db8::1', '64:ff9b::a00:1'], ['10.0.0.1', '::ffff:10.0.0.1']],
    // Whoever runs a NAT64 can put any IPv4 address behind its prefix.
    ['64:ff9b::/96', ['64:ff9b::10.0.0.1'], ['10.0.0.1']],
    ['10.0.0.1', [], ['64:ff9b::10.0.0.1', '10.0.0.01', '10.1', '167772161', '0x0a.0.0.1', ' 10.0.0.1', '10.0.0.1,']],
  ])('%s', (range, inside, outside) => {
    const skips = fromAddresses(range);
    expect(inside.filter((address) => !skips(from(address)))).toEqual([]);
    expect(outside.filter((address) => skips(from(address)))).toEqual([]);
  });

  it('is any of several ranges, of both kinds; of none it is nobody', () => {
    const skips = fromAddresses('10.0.0.0/8', '2001:db8::/32', '203.0.113.7');
    expect(['10.9.9.9', '2001:db8::9', '203.0.113.7'].map((address) => skips(from(address)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['11.9.9.9', '2001:db9::9', '203.0.113.8'].map((address) => skips(from(address)))).toEqual([
      false,
      false,
      false,
    ]);
    expect(fromAddresses()(from('10.0.0.1'))).toBe(false);
    expect(fromAddresses([])(from('10.0.0.1'))).toBe(false);
  });

  it.each([undefined, null, '', 'unknown', 'x', 42, {}, '10.0.0.1'.repeat(100)])(
    'is false where the address is %p',
    (ip) => {
      expect(fromAddresses('0.0.0.0/0', '::/0')(from(ip))).toBe(false);
    },
  );

  it('reads the address that the platform found, not the header', () => {
    const request = { ip: '203.0.113.7', headers: { 'x-forwarded-for': '10.0.0.1' } };
    expect(fromAddresses('10.0.0.0/8')(contextOf(request))).toBe(false);
    expect(fromAddresses('203.0.113.7')(contextOf(request))).toBe(true);
    expect(
      fromAddresses('10.0.0.1')(contextOf(Object.assign(new IncomingMessage(new Socket()), { ip: '10.0.0.1' }))),
    ).toBe(true);
  });

  it('refuses where the platform believes everybody, and says where it was asked', () => {
    class CredulousRequest {
      readonly headers: Record<string, string> = { 'x-forwarded-for': '10.0.0.1' };
      get ip(): string {
        return this.headers['x-forwarded-for']!.split(',', 1)[0]!;
      }
    }
    const handler = { getClass: () => ({ name: 'ReportsController' }), getHandler: () => ({ name: 'list' }) };
    const context = Object.assign(contextOf(new CredulousRequest()), handler);
    expect(() => fromAddresses('10.0.0.0/8')(context)).toThrow(RateLimitConfigurationError);
    expect(() => fromAddresses('10.0.0.0/8')(context)).toThrow(
      /^ReportsController\.list: fromAddresses\("10\.0\.0\.0\/8"\) goes by .* trusts every proxy .*Remedy: .*trustAnyProxy/,
    );
    expect(fromAddresses(['10.0.0.0/8'], { trustAnyProxy: true })(context)).toBe(true);
  });

  it.each(['ws', 'rpc', 'graphql'])('is false for what is no HTTP request (%s)', (type) => {
    expect(fromAddresses('10.0.0.0/8')(contextOf({ ip: '10.0.0.1', headers: {} }, type))).toBe(false);
    expect(fromAddresses('10.0.0.0/8')(contextOf({ ip: '10.0.0.1' }))).toBe(false);
  });

  it('says how it is written, and that it depends on which proxies are trusted', () => {
    const known = ({ description, usesAddress }: AddressPredicate) => [description, usesAddress];
    expect(known(fromAddresses('10.0.0.0/8', '::1'))).toEqual(['fromAddresses("10.0.0.0/8", "::1")', true]);
    expect(known(fromAddresses(['::1']))).toEqual(['fromAddresses("::1")', true]);
    expect(known(fromAddresses(['::1'], { trustAnyProxy: true }))).toEqual(['fromAddresses("::1")', false]);
    expect(fromAddresses('::1', '::2', '::3', '::4', '::5').description).toBe('fromAddresses("::1", "::2", "::3", …)');
  });
});

describe('what is no range is an error where it is written', () => {
  const remedy = 'write a range such as "10.0.0.0/8" or "2001:db8::/32", or a lone address without port and zone';
  const length = 'write how many leading bits all addresses of the range have in common';

  it.each<[unknown, string, string]>([
    ...[
      ...[
        '',
        ' ',
        'localhost',
        '10',
        '10.0.0',
        '10.0.0/8',
        '010.0.0.0/8',
        '10.0.0.256',
        '10.0.0.0/',
        '/8',
        '10.0.0.0//8',
      ],
      ...['10.0.0.0/8/8', '10.0.0.0/-1', '10.0.0.0/1e1', '10.0.0.0/255.0.0.0', '10.0.0.0 /8', '10.0.0.0-10.0.0.9'],
      ...[
        '10.0.0.1:80',
        '10.0.0.1:80/32',
        '[2001:db8::1]',
        '[::1]:80',
        'fe80::1%eth0',
        'fe80::%eth0/10',
        '2001:db8:/32',
      ],
      ...['10.0.0.0/8, 10.1.0.0/16', '*', 'loopback'],
    ].map((text): [unknown, string, string] => [text, `${JSON.stringify(text)} is no range of addresses`, remedy]),
    [undefined, 'undefined is no range of addresses', remedy],
    [10, '10 is no range of addresses', remedy],
    [null, 'null is no range of addresses', remedy],
    ['10.0.0.0/33', 'the prefix length of "10.0.0.0/33" is 33; expected an integer from 0 to 32', length],
    ['2001:db8::/129', 'the prefix length of "2001:db8::/129" is 129; expected an integer from 0 to 128', length],
    ['::ffff:10.0.0.0/8', 'the prefix length of "::ffff:10.0.0.0/8" is 8; expected an integer from 96 to 128', length],
    [
      '10.1.2.3/8',
      '"10.1.2.3/8" has bits set behind its prefix of 8 bits',
      'write "10.0.0.0/8" for the range, or "10.1.2.3" for the one address',
    ],
    [
      '192.0.2.129/25',
      '"192.0.2.129/25" has bits set behind its prefix of 25 bits',
      'write "192.0.2.128/25" for the range, or "192.0.2.129" for the one address',
    ],
    [
      '2001:DB8::1/64',
      '"2001:DB8::1/64" has bits set behind its prefix of 64 bits',
      'write "2001:db8::/64" for the range, or "2001:db8::1" for the one address',
    ],
    [
      '::ffff:10.1.2.3/104',
      '"::ffff:10.1.2.3/104" has bits set behind its prefix of 104 bits',
      'write "10.0.0.0/8" for the range, or "10.1.2.3" for the one address',
    ],
  ])('%j', (text, problem, remedy) => {
    const error = new RateLimitConfigurationError(`fromAddresses(): ${problem}. Remedy: ${remedy}.`);
    expect(() => fromAddresses('10.0.0.0/8', text as string)).toThrow(error);
    expect(() => fromAddresses([text as string], {})).toThrow(error);
  });

  it.each([
    [{ trustProxy: true }, 'unknown option "trustProxy". Remedy: the options are trustAnyProxy.'],
    [{ trustAnyProxy: 'yes' }, 'trustAnyProxy is "yes". Remedy: use true or false.'],
  ])('the options %j', (options, message) => {
    expect(() => fromAddresses([], options as object)).toThrow(
      new RateLimitConfigurationError(`fromAddresses(): ${message}`),
    );
  });
});
