import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedisServer } from './redis-server.mjs';

/** What keeps this machine from running a Redis with TLS; undefined: nothing. */
export function tlsObstacle(): string | undefined {
  if (spawnSync('openssl', ['version']).status !== 0) return 'there is no openssl to make a certificate with';
  // Without a certificate no server starts, but one that was built without TLS does not even know the option.
  const { stdout } = spawnSync(findRedisServer(), ['--port', '0', '--tls-port', '1'], { encoding: 'utf8' });
  return /configure TLS/.test(stdout) ? undefined : 'the Redis server was built without TLS';
}

export interface Certificate {
  /** The certificate itself, which is its own authority. */
  readonly ca: string;
  /** Settings of a server that identifies itself by it. */
  readonly settings: Record<string, string>;
  remove(): Promise<void>;
}

/** A certificate for 127.0.0.1 that is good for a day. */
export async function makeCertificate(): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-token-bucket-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '1'];
  const { status, stderr } = spawnSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert]);
  if (status !== 0) throw new Error(`openssl: ${String(stderr)}`);
  const settings = {
    'tls-cert-file': cert,
    'tls-key-file': key,
    'tls-ca-cert-file': cert,
    'tls-auth-clients': 'no',
  };
  return { ca: readFileSync(cert, 'utf8'), settings, remove: () => rm(folder, { recursive: true }) };
}
