import type { RedisClient } from './client.js';
import { usesTls } from './client.js';

const NO_TLS_THERE = 'if that port has no TLS, use redis:// or leave out tls';
const CLIENT_CERTIFICATE = 'pass the certificate that the server asks of its clients as tls: { cert, key }';

/** Whether the client uses TLS; what it says when it cannot connect; what may help. The first that fits is told. */
const REMEDIES: readonly (readonly [usesTls: boolean, message: RegExp, remedy: string])[] = [
  [
    true,
    /self[- ]signed certificate|unable to (verify|get) .*(certificate|issuer)/,
    'pass the authority that signed the certificate of the server as tls: { ca }, or its file in NODE_EXTRA_CA_CERTS',
  ],
  [
    true,
    /certificate (has expired|is not yet valid)/,
    'renew the certificate of the server, or correct the clock of this machine',
  ],
  [
    true,
    /certificate's altnames/,
    'write the host as its certificate names it, or add that name as tls: { servername }; ' +
      'where the nodes of a Cluster have names of their own, set dnsLookup: (host, done) => done(null, host)',
  ],
  [true, /wrong version number|packet length too long|http request/, NO_TLS_THERE],
  [true, /certificate required|alert (bad certificate|unknown ca|(unsupported )?certificate)/, CLIENT_CERTIFICATE],
  [
    true,
    /alert|unsupported protocol|no protocols available|shared cipher/,
    'allow what the server offers with tls: { minVersion, maxVersion, ciphers }',
  ],
  [true, /ETIMEDOUT|^timeout$|no answer within|before secure TLS/, NO_TLS_THERE],
  [
    true,
    /ECONNRESET|EPIPE|^Connection is closed|^Reached the max retries/,
    `${NO_TLS_THERE}; else ${CLIENT_CERTIFICATE}, if it does`,
  ],
  [
    false,
    /ECONNRESET|EPIPE|^Connection is closed|^Reached the max retries/,
    'if that port has TLS, use rediss:// or pass tls: {}',
  ],
];

/** What may help a client that cannot connect because of this, as a sentence; empty when there is no telling. */
export function remedyFor(client: RedisClient, message: string): string {
  const tls = usesTls(client);
  const found = REMEDIES.find(([needsTls, pattern]) => needsTls === tls && pattern.test(message));
  return found === undefined ? '' : ` Remedy: ${found[2]}.`;
}
