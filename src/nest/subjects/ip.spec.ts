import { BadRequestException, type ExecutionContext } from '@nestjs/common';
import { MissingSubjectError, RateLimitConfigurationError } from '../../core/errors.js';
import { ip, type IpOptions } from './ip.js';
import { type HttpRequest, resolveSubject } from './subject.js';

class ReportsController {
  list(): void {}
}

const HANDLER = {
  getClass: () => ReportsController,
  getHandler: () => Reflect.get(ReportsController.prototype, 'list'),
} as unknown as ExecutionContext;

/** Of a platform that takes the first address of X-Forwarded-For for the client, whoever sent it. */
class CredulousRequest implements HttpRequest {
  readonly headers: HttpRequest['headers'] = { 'x-forwarded-for': '203.0.113.7' };

  get ip(): string {
    return String(this.headers['x-forwarded-for']).split(',', 1)[0]!;
  }
}

const context = {} as ExecutionContext;
const PLACE = '@RateLimit on ReportsController.list';
const subjectOf = (address: unknown, options?: IpOptions) =>
  resolveSubject(ip(options), context, { headers: {}, ip: address as string }, PLACE);

describe('ip', () => {
  it.each([
    ['203.0.113.7', 'ip:203.0.113.7'],
    ['::ffff:203.0.113.7', 'ip:203.0.113.7'],
    ['2001:db8:1234:5678::1', 'ip:2001:db8:1234:5678::/64'],
  ])('limits %s as %s', (address, subject) => {
    expect(subjectOf(address)).toBe(subject);
    expect(subjectOf(address)).toBe(subject);
  });

  it('groups IPv6 by another prefix on request', () => {
    expect(subjectOf('2001:db8:1234:5678::1', { ipv6Prefix: 56 })).toBe('ip:2001:db8:1234:5600::/56');
    expect(subjectOf('2001:db8:1234:5678::1')).toBe('ip:2001:db8:1234:5678::/64');
  });

  it('is known before authentication and depends on which proxies are trusted', () => {
    expect(ip()).toMatchObject({ phase: 'guard', description: 'ip()', usesAddress: true });
    expect(ip({ ipv6Prefix: 56 })).toMatchObject({ description: 'ip({"ipv6Prefix":56})', usesAddress: true });
    expect(ip({ trustAnyProxy: true }).usesAddress).toBe(false);
  });

  it('reads the address that the platform found, not the header', () => {
    const request = { headers: { 'x-forwarded-for': '198.51.100.1' }, ip: '203.0.113.7' };
    expect(ip().resolve(context, request)).toBe('ip:203.0.113.7');
  });

  it('refuses where the platform believes everybody, and says where it was asked', () => {
    const asked = () => ip({ ipv6Prefix: 56 }).resolve(HANDLER, new CredulousRequest());
    expect(asked).toThrow(RateLimitConfigurationError);
    expect(asked).toThrow(
      /^ReportsController\.list: ip\(\{"ipv6Prefix":56\}\) goes by .* trusts every proxy .*Remedy: .*ip\(\{ trustAnyProxy: true \}\)/,
    );
    expect(ip({ trustAnyProxy: true }).resolve(HANDLER, new CredulousRequest())).toBe('ip:203.0.113.7');
  });

  it.each([undefined, null, '', 42, {}])('refuses where the address is %p', (address) => {
    expect(() => subjectOf(address)).toThrow(MissingSubjectError);
    expect(() => subjectOf(address)).toThrow(`${PLACE}: ip() found no client address`);
    expect(() => subjectOf(address)).toThrow(/Unix socket.*proxy.*Remedy: .*Express: .*Fastify: /);
  });

  // Told in the log with its stack, as other errors are, it would let whoever sends it fill the log.
  it.each(['unknown', 'x', '203.0.113.300', '203.0.113.7:x'])(
    'refuses what somebody wrote for an address: %p',
    (text) => {
      expect(() => subjectOf(text)).toThrow(
        new BadRequestException(
          'The forwarded client address (X-Forwarded-For) is no IP address; requests are limited by it.',
        ),
      );
    },
  );

  it.each([
    [{ ipv6Prefix: 31 }, 'ipv6Prefix is 31; expected an integer from 32 to 64'],
    [{ ipv6Prefix: 65 }, 'ipv6Prefix is 65'],
    [{ ipv6Prefix: 56.5 }, 'ipv6Prefix is 56.5'],
    [{ ipv6Prefix: '56' }, 'ipv6Prefix is "56"'],
    [{ ipv6Subnet: 56 }, 'unknown option "ipv6Subnet". Remedy: the options are ipv6Prefix, trustAnyProxy.'],
    [{ trustAnyProxy: 'yes' }, 'trustAnyProxy is "yes". Remedy: use true or false.'],
    [56, 'the options are 56'],
    [null, 'the options are null'],
  ])('rejects the options %j', (options, message) => {
    expect(() => ip(options as IpOptions)).toThrow(RateLimitConfigurationError);
    expect(() => ip(options as IpOptions)).toThrow(`ip(): ${message}`);
  });
});
