import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RedisOptions } from 'ioredis';
import type { RedisStorageOptions } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { type ClusterNode, startCluster, type TestCluster } from '../support/redis-cluster.js';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.mjs';
import { type Certificate, makeCertificate, tlsObstacle } from '../support/tls-certificate.js';

const obstacle = tlsObstacle();
if (obstacle !== undefined) console.log(`no TLS is tried, because ${obstacle}`);
// Some builds of Redis have no TLS, and without openssl there is no certificate.
const describeTls = obstacle === undefined ? describe : describe.skip;

type Cause = readonly [what: string, host: string, isTlsPort: boolean, options: () => RedisOptions, told: RegExp];

let certificate: Certificate;
const trusting = () => ({ tls: { ca: certificate.ca } });

const CAUSES: readonly Cause[] = [
  ['the server', '127.0.0.1', true, trusting, /^$/],
  [
    'a certificate that nobody vouches for',
    '127.0.0.1',
    true,
    () => ({ tls: {} }),
    /asked yet \(self-signed certificate[^)]*\)\. Remedy: pass the authority .* as tls: { ca }.*\. Starting without it/,
  ],
  [
    'the certificate of another name',
    'localhost',
    true,
    trusting,
    /asked yet \(Hostname\/IP does not match certificate's altnames: .*localhost.*\)\. Remedy: .* tls: { servername }/,
  ],
  [
    'TLS where the server has none',
    '127.0.0.1',
    false,
    trusting,
    /asked yet \((connect ETIMEDOUT|no answer within 1500 ms.*)\)\. Remedy: if that port has no TLS, use redis:\/\//,
  ],
  [
    'no TLS where the server has it',
    '127.0.0.1',
    true,
    () => ({}),
    /asked yet \(.+\)\. Remedy: if that port has TLS, use rediss:\/\/ or pass tls: {}\./,
  ],
  [
    'no TLS where the server has it, with a password',
    '127.0.0.1',
    true,
    () => ({ username: 'limiter', password: 'secret' }),
    /asked yet \(.+\)\. Remedy: if that port has TLS, use rediss:\/\/ or pass tls: {}\./,
  ],
];

/** What an operator reads of a start. */
async function startOf(options: RedisStorageOptions): Promise<string> {
  const lines: string[] = [];
  const storage = new RedisStorage({ ...options, deadlineMs: 5000, logger: { warn: (line) => void lines.push(line) } });
  await storage.open();
  await storage.close();
  return lines.join('\n');
}

describeTls('what keeps TLS from working is told at start', () => {
  beforeAll(async () => {
    certificate = await makeCertificate();
  });
  afterAll(() => certificate.remove());

  describe('of one server', () => {
    let server: RedisServer;
    let tlsPort: number;

    beforeAll(async () => {
      server = await startRedis(async () => {
        tlsPort = await freePort();
        const settings = { ...certificate.settings, 'tls-port': tlsPort };
        return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
      });
    });
    afterAll(() => server.stop());

    test.each(CAUSES)('%s', async (_, host, isTlsPort, options, told) => {
      const port = isTlsPort ? tlsPort : server.port;
      expect(await startOf({ options: { host, port, ...options() } })).toMatch(told);
    });

    test('versions of TLS that the server does not have', async () => {
      const tls = {
        ca: certificate.ca,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      } as const;
      const told = await startOf({ options: { host: '127.0.0.1', port: tlsPort, tls } });
      expect(told).toMatch(/asked yet \([^:]*alert protocol version\)\. Remedy: allow .* tls: { minVersion/);
    });

    it('and closing while it is agreed on ends nothing but the connection', async () => {
      // Of another name, so that the socket has two errors: that, and the complaint of the server about the end.
      const options = { host: 'localhost', port: tlsPort, ...trusting() };
      for (let i = 0; i < 20; i++) {
        const storage = new RedisStorage({ options, logger: { warn: () => {} } });
        const opening = Promise.resolve(storage.open());
        await nextTurn();
        await storage.close();
        await opening;
        expect(storage.isAvailable).toBe(false);
      }
    });
  });

  describe('of a cluster', () => {
    let cluster: TestCluster;

    beforeAll(async () => {
      const { settings } = certificate;
      const ofNode = async () => ({ ...settings, 'tls-port': await freePort(), 'tls-cluster': 'yes' });
      cluster = await startCluster({ hasReplicas: false, settings: ofNode });
    });
    afterAll(() => cluster.stop());

    const tlsPortOf = async ({ admin }: ClusterNode) => {
      const [, port] = (await admin.config('GET', 'tls-port')) as [string, string];
      return Number(port);
    };
    const plainPortOf = async ({ server }: ClusterNode) => server.port;

    test.each(CAUSES)('%s', async (_, host, isTlsPort, options, told) => {
      const ports = await Promise.all(cluster.masters.map(isTlsPort ? tlsPortOf : plainPortOf));
      const nodes = ports.map((port) => ({ host, port }));
      // Else ioredis asks for the address and compares the certificate with that.
      const dnsLookup = (name: string, done: (error: null, host: string) => void) => done(null, name);
      expect(await startOf({ cluster: { nodes, options: { redisOptions: options(), dnsLookup } } })).toMatch(told);
    });
  });
});
