import { BadRequestException } from '@nestjs/common';
import { describeValue, misconfigured, MissingSubjectError } from '../../core/errors.js';
import { checkOptions } from '../../core/options.js';
import { isIpv6Prefix, MOST_IPV6_PREFIX } from './address.js';
import { addressSubjects } from './address-subjects.js';
import { rejectUnlimitedTrust } from './proxy-trust.js';
import { markFactory } from './subject-factories.js';
import type { HttpRequest, SubjectResolver } from './subject.js';

/** How addresses become subjects. */
export interface IpOptions {
  /**
   * Leading bits of an IPv6 address that make one client. Integer from 32 to 64; default 64. Many customers get a /56,
   * which is 256 blocks of the default: use 56 where attempts must not multiply, as for log-in.
   */
  readonly ipv6Prefix?: number;
  /**
   * Accepts that the platform trusts every proxy, which otherwise is an error at start, and at every request where a
   * function resolves it. Only right when all requests come through a proxy that overwrites X-Forwarded-For; else clients
   * choose their own address. Default: false.
   */
  readonly trustAnyProxy?: boolean;
}

/**
 * Limits the client's address as the platform tells it (`request.ip`, so by the proxy settings of Express or Fastify).
 * IPv6 addresses count by their block of 2^64; IPv4 addresses written as IPv6 count as IPv4. What is forwarded and is no
 * address is refused with 400.
 *
 * @throws RateLimitConfigurationError for options that mean nothing.
 */
export function ip(options: IpOptions = {}): SubjectResolver {
  checkOptions(options, ['ipv6Prefix', 'trustAnyProxy'], 'ip()');
  const { ipv6Prefix = MOST_IPV6_PREFIX, trustAnyProxy = false } = options;
  if (!isIpv6Prefix(ipv6Prefix)) {
    misconfigured(
      'ip()',
      `ipv6Prefix is ${describeValue(ipv6Prefix)}; expected an integer from 32 to 64`,
      'use 64, the least a customer gets, or 56 or 48, which many get',
    );
  }
  if (typeof trustAnyProxy !== 'boolean') {
    misconfigured('ip()', `trustAnyProxy is ${describeValue(trustAnyProxy)}`, 'use true or false');
  }
  const subjects = addressSubjects(ipv6Prefix);
  const description = `ip(${Object.keys(options).length === 0 ? '' : describeValue(options)})`;
  return {
    phase: 'guard',
    description,
    usesAddress: !trustAnyProxy,
    resolve(context, request) {
      if (!trustAnyProxy) rejectUnlimitedTrust(request, description, context);
      const { ip } = request;
      return typeof ip === 'string' ? subjects.of(ip) : undefined;
    },
    missing: (place, request) => noAddress(description, place, request),
  };
}
markFactory(ip, 'ip()');

/** What a client wrote is its own mistake, and not logged, or it would fill the log; that there is nothing is the application's. */
function noAddress(description: string, place: string, { ip }: HttpRequest): Error {
  if (typeof ip === 'string' && ip !== '') {
    return new BadRequestException(
      'The forwarded client address (X-Forwarded-For) is no IP address; requests are limited by it.',
    );
  }
  return new MissingSubjectError(
    `${place}: ${description} found no client address: request.ip is none. The socket has no address, as with a Unix ` +
      'socket whose proxy is not trusted. ' +
      "Remedy: trust the proxy, for a Unix socket as hop (Express: app.set('trust proxy', 1); Fastify: " +
      'new FastifyAdapter({ trustProxy: (address, hop) => hop === 0 })), or limit by another subject.',
  );
}
