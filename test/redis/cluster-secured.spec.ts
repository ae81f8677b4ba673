import type { Charge } from '../../src/core/charge.js';
import { Policy } from '../../src/core/policy.js';
import type { RedisStorageByCluster } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { slotOf } from '../../src/storage/redis/slots.js';
import { type ClusterNode, startCluster, type TestCluster } from '../support/redis-cluster.js';
import { subjectsIn } from '../support/redis-cluster-subjects.js';
import { freePort } from '../support/redis-server.mjs';
import { eventually } from '../support/redis-testing.js';
import { type Certificate, makeCertificate, tlsObstacle } from '../support/tls-certificate.js';

/** All that the storage needs of a cluster, as docs/operations.md says it; `>` is followed by the password. */
const RIGHTS =
  '~rl:* +evalsha +eval +time +get +set +del +strlen +getrange +setrange +pexpireat +info +cluster|slots +cluster|info +asking';
/** What ioredis would like to do with its connections, and goes without. */
const DISPENSABLE = ['client|setname', 'readonly', 'readwrite'];
const policy = new Policy({ name: 'day', capacity: 100, refillTokens: 1, refillSeconds: 86_400 });
const obstacle = tlsObstacle();
const WIRE = obstacle === undefined ? 'over' : 'without';

let certificate: Certificate | undefined;
let cluster: TestCluster;
let all: readonly ClusterNode[];
let nodes: { host: string; port: number }[];
const lines: string[] = [];

beforeAll(async () => {
  if (obstacle !== undefined) console.log(`without TLS, because ${obstacle}`);
  else certificate = await makeCertificate();
  const tls = certificate?.settings;
  cluster = await startCluster({
    masters: 2,
    settings: async () =>
      tls === undefined ? {} : { ...tls, 'tls-port': await freePort(), 'tls-cluster': 'yes', 'tls-replication': 'yes' },
  });
  all = [...cluster.masters, ...cluster.replicas];
  nodes = tls === undefined ? cluster.nodes : await Promise.all(cluster.masters.map(tlsAddressOf));
});
afterAll(async () => {
  await cluster.stop();
  await certificate?.remove();
});
beforeEach(() => lines.splice(0));

async function tlsAddressOf({ admin }: ClusterNode): Promise<{ host: string; port: number }> {
  const [, port] = (await admin.config('GET', 'tls-port')) as [string, string];
  return { host: '127.0.0.1', port: Number(port) };
}

/** Gives the user these rights and no others, on all nodes: none of them tells another. */
async function allow(rights: string): Promise<void> {
  for (const { admin } of all) {
    await admin.call('ACL', 'SETUSER', 'limiter', 'reset', 'on', '>secret', ...rights.split(' '));
    await admin.call('ACL', 'LOG', 'RESET');
  }
}

async function refused(): Promise<string[]> {
  const logs = await Promise.all(all.map(({ admin }) => admin.call('ACL', 'LOG') as Promise<unknown[][]>));
  const commands = logs.flat().map((entry) => String(entry[entry.indexOf('object') + 1]));
  return [...new Set(commands)].toSorted();
}

function storageOf(options: Partial<RedisStorageByCluster> = {}): RedisStorage {
  const tls = certificate === undefined ? undefined : { ca: certificate.ca };
  const redisOptions = { username: 'limiter', password: 'secret', tls };
  return new RedisStorage({
    cluster: { nodes, options: { redisOptions } },
    deadlineMs: 5000,
    denyCache: false,
    logger: { warn: (line) => void lines.push(line) },
    ...options,
  });
}

const chargesOf = (subject: string, cost = 1): Charge[] => [{ policy, subject, cost }];

test(`a user with the least rights can do all that is asked of it, ${WIRE} TLS: ${RIGHTS}`, async () => {
  await allow(RIGHTS);
  const storage = storageOf();
  await storage.open();
  const charges = subjectsIn(20, 'user', () => true).flatMap((subject) => chargesOf(subject, 60));
  const both = charges.slice(0, 2);
  for (let round = 0; round < 2; round++) {
    const replies = await Promise.all(charges.map(async (charge) => storage.consume([charge])));
    expect(replies.every(({ allowed }) => allowed)).toBe(true);
    expect((await storage.consume(both)).allowed).toBe(false);
    for (const [i, charge] of charges.entries()) await storage.refund([charge], replies[i]!.nowMicros);
    expect((await storage.consume(both)).allowed).toBe(true);
    await storage.owe(both.map(({ subject }) => ({ policy, subject, debtUnits: policy.refillMicros })));
    expect((await storage.peek(both)).allowed).toBe(false);
    await storage.reset(charges);
    for (const { admin } of cluster.masters) await admin.script('FLUSH');
  }

  // A slot that is being moved: what is not there any more is asked for with ASKING.
  const [from, to] = cluster.masters as [ClusterNode, ClusterNode];
  const [moving] = subjectsIn(1, 'moving', (slot) => slot < 8192);
  await to.admin.cluster('SETSLOT', slotOf(moving!), 'IMPORTING', from.id);
  await from.admin.cluster('SETSLOT', slotOf(moving!), 'MIGRATING', to.id);
  expect((await storage.consume(chargesOf(moving!))).allowed).toBe(true);
  expect(await to.admin.cluster('COUNTKEYSINSLOT', slotOf(moving!))).toBe(1);
  for (const { admin } of [to, from]) await admin.cluster('SETSLOT', slotOf(moving!), 'NODE', to.id);
  expect((await storage.peek(chargesOf(moving!, policy.capacity))).allowed).toBe(false);

  // Another master, from which the slots are learnt anew.
  await cluster.replicas[0]!.admin.cluster('FAILOVER');
  await eventually(async () => (await cluster.replicas[0]!.admin.info('replication')).includes('role:master'));
  for (const charge of charges) expect((await storage.consume([charge])).allowed).toBe(true);
  await storage.close();
  console.log(`${WIRE} TLS: refused ${(await refused()).join() || 'nothing'}`);
  expect(lines).toEqual([]);
  expect((await refused()).filter((command) => !DISPENSABLE.includes(command))).toEqual([]);
});

test.each([
  ['-cluster|slots', /NOPERM .*cluster\|slots.* Remedy: grant it .*"Rights" in docs\/operations\.md/],
  ['-cluster|info', /NOPERM .*cluster\|info.* Remedy: grant it .*"Rights" in docs\/operations\.md/],
  ['-evalsha', /NOPERM/],
  ['-eval', /NOPERM/],
])('with less, it is told at start: %s', async (less, expected) => {
  await allow(`${RIGHTS} ${less}`);
  expect(await startOf(storageOf())).toMatch(expected);
});

// Some builds of Redis have no TLS, and without openssl there is no certificate; the first line of the output says so.
const testTls = obstacle === undefined ? test : test.skip;

testTls('a certificate that nobody vouches for is not accepted, and told', async () => {
  await allow(RIGHTS);
  const redisOptions = { username: 'limiter', password: 'secret', tls: {} };
  const storage = storageOf({ cluster: { nodes, options: { redisOptions } } });
  expect(await startOf(storage)).toMatch(/self-signed certificate/);
  for (const { admin } of all) expect(String(await admin.client('LIST'))).not.toContain('user=limiter');
});

/** What an operator reads of a start that does not succeed. */
async function startOf(storage: RedisStorage): Promise<string> {
  const stopped = await storage.open().then(
    () => '',
    (error: unknown) => String(error),
  );
  await storage.close();
  return [stopped, ...lines].join(' ').trim();
}
