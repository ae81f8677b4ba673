import { RateLimitConfigurationError } from '../../core/errors.js';
import { misconfiguration, reasonOf } from './failures.js';
import { remedyFor } from './remedies.js';
import type { RedisClient } from './client.js';

const clientWith = (options: object) => ({ options }) as RedisClient;
const TLS = clientWith({ tls: {} });
const TLS_CLUSTER = clientWith({ redisOptions: { tls: {} } });
const PLAIN = clientWith({});

describe('a right that lacks', () => {
  const refusal = (message: string, name: string, ...args: string[]) =>
    Object.assign(new Error(message), { command: { name, args } });

  test.each([
    [
      "NOPERM this user has no permissions to run the 'cluster|info' command",
      "(NOPERM this user has no permissions to run the 'cluster|info' command)",
    ],
    // Redis 6.2.
    [
      "NOPERM this user has no permissions to run the 'cluster' command or its subcommand",
      "(CLUSTER INFO: NOPERM this user has no permissions to run the 'cluster' command or its subcommand)",
    ],
  ])('is named where Redis says: %s', (message, told) => {
    const problem = misconfiguration(refusal(message, 'cluster', 'INFO'));
    expect(problem).toBeInstanceOf(RateLimitConfigurationError);
    expect(problem?.message).toContain(`the Redis user may not do what the storage needs ${told}. Remedy: grant it `);
    expect(problem?.message).toContain('CLUSTER SLOTS, CLUSTER INFO and ASKING; "Rights" in docs/operations.md has');
  });

  test('is no more than what Redis says for other commands', () => {
    const message = "NOPERM this user has no permissions to run the 'evalsha' command";
    expect(misconfiguration(refusal(message, 'evalsha', 'ab12'))?.message).toContain(`(${message})`);
  });
});

test('a server without what scripts need is told of with the remedy', () => {
  const message = "ERR user_script:7: Script attempted to access nonexistent global variable 'cjson' script: ab12";
  expect(misconfiguration(new Error(message))?.message).toMatch(
    /cannot run the scripts .*Remedy: use Redis 6\.2 or later/,
  );
});

test.each([
  ['self-signed certificate', 'self-signed certificate'],
  [
    'write EPROTO 80AC:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/ssl3_record.c:355:\n',
    'write EPROTO wrong version number',
  ],
  [
    '80AC:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../deps/rec_layer_s3.c:1601:SSL alert number 116\n',
    'tlsv13 alert certificate required',
  ],
])('the reason is without what only the makers of OpenSSL understand: %s', (message, reason) => {
  expect(reasonOf(new Error(message))).toBe(reason);
});

test.each([
  [TLS, 'self-signed certificate in certificate chain', /tls: { ca }/],
  [TLS, 'unable to verify the first certificate', /tls: { ca }/],
  [TLS_CLUSTER, 'unable to get local issuer certificate', /tls: { ca }/],
  [TLS, 'certificate has expired', /renew/],
  [TLS_CLUSTER, "Hostname/IP does not match certificate's altnames: …", /servername.*dnsLookup/],
  [TLS, 'write EPROTO wrong version number', /if that port has no TLS/],
  [TLS, 'tlsv13 alert certificate required', /{ cert, key }/],
  [TLS, 'sslv3 alert handshake failure', /minVersion/],
  [TLS_CLUSTER, 'timeout', /if that port has no TLS/],
  [TLS, 'read ECONNRESET', /if that port has no TLS.*else .*{ cert, key }/],
  [PLAIN, 'read ECONNRESET', /if that port has TLS/],
  [PLAIN, 'connect ECONNREFUSED 127.0.0.1:6379', /^$/],
  [PLAIN, 'connect ETIMEDOUT', /^$/],
  [PLAIN, 'no answer within 1500 ms', /^$/],
])('what may help a client with %j that says %j', (client, message, told) => {
  expect(remedyFor(client, message)).toMatch(told);
});
