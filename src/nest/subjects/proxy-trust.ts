import type { ExecutionContext } from '@nestjs/common';
import { RateLimitConfigurationError } from '../../core/errors.js';
import { isObject } from './is-object.js';
import {
  addressDecider,
  addressFoundIn,
  type PlatformAdapter,
  proxySetting,
  requestPrototype,
} from './platform-request.js';
import { handlerName, type HttpRequest } from './subject.js';

/**
 * Whose X-Forwarded-For the platform believes: everybody's, that of some peers (a list or a number of hops), nobody's,
 * or it does not show.
 */
export type ProxyTrust = 'unlimited' | 'limited' | 'none' | 'unknown';

/** More hops than any installation has, so that trust by number of hops does not look unlimited. */
const CHAIN_LENGTH = 32;

/** Addresses for documentation (RFC 5737, 3849, 9637): no list of proxies names several of these networks by accident. */
const IPV4_CHAIN = chain('203.0.113.', '198.51.100.', '192.0.2.');
const IPV6_CHAIN = chain('2001:db8::', '3fff::');
const CLIENT = IPV4_CHAIN[0]!;

/** From where proxies connect: the machine itself, private networks, the link, the internet. */
const IPV4_PEERS = ['127.0.0.1', '10.0.0.1', '172.16.0.1', '192.168.0.1', '169.254.0.1', '192.0.2.254'];
const IPV6_PEERS = ['::1', 'fd00::1', 'fe80::1', '2001:db8::254'];
const PEERS = [...IPV4_PEERS, ...IPV6_PEERS];

/**
 * Finds out by trying, before any request: a request of the platform's own making with made-up peer and headers is asked
 * for its `ip`. Where none of the tried peers is trusted, the setting tells a list of others from none.
 */
export function proxyTrust(adapter: PlatformAdapter | undefined): ProxyTrust {
  const instance = adapter?.getInstance();
  const trust = trustByTrying(requestPrototype(instance));
  return trust === 'none' && namesPeers(proxySetting(instance)) ? 'limited' : trust;
}

/** What was found out, because to try takes longer than all else that is done for a request. */
const verdicts = new WeakMap<object, ProxyTrust>();

/** The same from a real request, tried once for each setting; a list of particular proxies can look like none. */
export function trustOf(request: HttpRequest): ProxyTrust {
  // Not from the request itself: Express gives each one a hidden class of its own, and looking at it is slow.
  const prototype: unknown = Object.getPrototypeOf(request);
  if (!isObject(prototype)) return 'unknown';
  const decider = addressDecider(prototype);
  let trust = verdicts.get(decider);
  if (trust === undefined) {
    trust = trustByTrying(prototype);
    verdicts.set(decider, trust);
  }
  return trust;
}

/**
 * To be asked by whatever reads an address, because nobody sees at start what a function of the application asks.
 *
 * @throws RateLimitConfigurationError where the platform believes every peer, whether or not this request was forwarded.
 */
export function rejectUnlimitedTrust(request: HttpRequest, description: string, context: ExecutionContext): void {
  if (trustOf(request) === 'unlimited') throw unlimitedTrustError(description, handlerName(context));
}

/** What to throw when the platform believes every peer and a limit, or who is free of it, goes by address. */
export function unlimitedTrustError(description: string, place: string): RateLimitConfigurationError {
  return new RateLimitConfigurationError(
    `${place}: ${description} goes by the client's address, but the application trusts every proxy (trust is unlimited), ` +
      'so whoever writes X-Forwarded-For chooses an address and with it a new bucket, or none. ' +
      `Remedy: trust only your own proxies (${TRUST_SETTINGS}). If every request comes through a proxy that overwrites ` +
      'X-Forwarded-For, say so: ip({ trustAnyProxy: true }), fromAddresses([…], { trustAnyProxy: true }).',
  );
}

/**
 * Notices at the first forwarded request that no proxy is trusted, so that all clients behind it share one bucket, and
 * warns once. Settled by the first forwarded request that shows how it is; from then on a check reads one boolean.
 */
export class ForwardedHeaderWatch {
  private settled = false;

  constructor(private readonly warn: (message: string) => void) {}

  /** To be shown the requests that are limited by address. */
  check(request: HttpRequest): void {
    if (this.settled) return;
    const { headers } = request;
    const forwardedFor = headers['x-forwarded-for'] !== undefined;
    if (forwardedFor || headers['forwarded'] !== undefined) this.judge(request, forwardedFor);
  }

  private judge(request: HttpRequest, forwardedFor: boolean): void {
    const peer = request.socket?.remoteAddress;
    if (peer === undefined) return;
    const believed = request.ip !== peer;
    // A trusted proxy may itself be the client, as with health checks: then equal addresses prove nothing.
    if (!believed && forwardedFor && trustsPeer(request, peer)) return;
    this.settled = true;
    if (!believed) this.warn(forwardedFor ? untrustedPeer(peer) : unreadHeader(peer));
  }
}

const TRUST_SETTINGS =
  "Express: app.set('trust proxy', 'loopback, 10.0.0.0/8') or the number of proxies; " +
  "Fastify: new FastifyAdapter({ trustProxy: ['127.0.0.1', '10.0.0.0/8'] }), where a number trusts nothing since Fastify 5.12.1";

const HARMLESS = 'If clients connect directly, nothing is wrong: the header is ignored. This is said once.';

function untrustedPeer(peer: string): string {
  return (
    `A request came from ${peer} with X-Forwarded-For, but ${peer} is not a trusted proxy, so its address counts as the client's. ` +
    `If it is your proxy, all clients behind it share one bucket. Remedy: trust it (${TRUST_SETTINGS}). ${HARMLESS}`
  );
}

function unreadHeader(peer: string): string {
  return (
    `A request came from ${peer} with Forwarded, a header that neither Express nor Fastify reads, so ${peer} counts as the client. ` +
    'If it is your proxy, all clients behind it share one bucket. Remedy: let it send X-Forwarded-For and trust it ' +
    `(${TRUST_SETTINGS}), or limit by a function that reads Forwarded. ${HARMLESS}`
  );
}

function trustByTrying(prototype: unknown): ProxyTrust {
  if (believesAll(prototype, IPV4_CHAIN) || believesAll(prototype, IPV6_CHAIN)) return 'unlimited';
  const found = PEERS.map((peer) => addressFoundIn(prototype, peer, [CLIENT]));
  if (found.includes(undefined)) return 'unknown';
  return found.every((address, i) => address === PEERS[i]) ? 'none' : 'limited';
}

/** Whether the farthest address of the chain is taken for the client although every hop on the way is a stranger. */
function believesAll(prototype: unknown, [client, ...hops]: readonly string[]): boolean {
  return client !== undefined && addressFoundIn(prototype, hops.at(-1)!, [client, ...hops.slice(0, -1)]) === client;
}

function trustsPeer(request: HttpRequest, peer: string): boolean {
  return addressFoundIn(Object.getPrototypeOf(request), peer, [CLIENT]) === CLIENT;
}

function namesPeers(setting: unknown): boolean {
  if (typeof setting === 'function') return true;
  return (typeof setting === 'string' || Array.isArray(setting)) && setting.length > 0;
}

function chain(...networks: readonly string[]): readonly string[] {
  return Array.from({ length: CHAIN_LENGTH }, (_, i) => `${networks[i % networks.length]}${i + 1}`);
}
