import { Redis } from 'ioredis';
import { freePort, type RedisServer, startRedis } from './redis-server.mjs';
import { eventually } from './redis-testing.js';

const SLOTS = 16_384;
/** Milliseconds after which a silent node is taken for dead by the others. */
const NODE_TIMEOUT_MS = 1000;

export interface ClusterNode {
  readonly server: RedisServer;
  /** A connection to this node alone. */
  readonly admin: Redis;
  readonly id: string;
}

/** Masters with an equal share of the slots each, and a replica of each, all on the loopback interface. */
export interface TestCluster {
  readonly masters: readonly ClusterNode[];
  readonly replicas: readonly ClusterNode[];
  readonly nodes: { host: string; port: number }[];
  stop(): Promise<void>;
}

export interface ClusterPlan {
  /** Default: 3. */
  readonly masters?: number;
  /** Default: true. */
  readonly hasReplicas?: boolean;
  /** Further settings of a node. */
  readonly settings?: () => Promise<Record<string, string | number>>;
}

export async function startCluster(plan: ClusterPlan = {}): Promise<TestCluster> {
  const { masters: count = 3, hasReplicas = true, settings = async () => ({}) } = plan;
  const total = hasReplicas ? 2 * count : count;
  const all = await Promise.all(Array.from({ length: total }, (_, i) => startNode(i, settings)));
  const stop = async () => {
    // What has ended already would be waited for.
    for (const { admin } of all) if (admin.status !== 'end') admin.disconnect();
    await Promise.all(all.map(({ server }) => server.stop()));
  };
  try {
    const [masters, replicas] = [all.slice(0, count), all.slice(count)];
    await join(masters, all);
    await Promise.all(replicas.map(({ admin }, i) => follows(admin, masters[i]!.id)));
    await Promise.all(all.map(({ admin }) => isWhole(admin, replicas.length)));
    const nodes = masters.map(({ server }) => ({ host: '127.0.0.1', port: server.port }));
    return { masters, replicas, nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startNode(number: number, settings: NonNullable<ClusterPlan['settings']>): Promise<ClusterNode> {
  const server = await startRedis(async () => {
    const options = {
      'cluster-enabled': 'yes',
      // The default bus port is 10 000 higher, which may be none.
      'cluster-port': await freePort(),
      // A node that has met no other does not know how it is reached.
      'cluster-announce-ip': '127.0.0.1',
      'cluster-config-file': `node-${number}.conf`,
      'cluster-node-timeout': NODE_TIMEOUT_MS,
      'cluster-replica-validity-factor': 0,
      // By default no node answers as long as one slot is missing.
      'cluster-require-full-coverage': 'no',
      'repl-diskless-sync-delay': 0,
      ...(await settings()),
    };
    return Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  });
  const admin = new Redis(server.port, { retryStrategy: () => null });
  admin.on('error', () => {});
  return { server, admin, id: await admin.cluster('MYID') };
}

/** What `redis-cli --cluster create` does, without its questions. */
async function join(masters: readonly ClusterNode[], all: readonly ClusterNode[]): Promise<void> {
  const share = Math.ceil(SLOTS / masters.length);
  for (const [i, { admin }] of masters.entries()) {
    await admin.cluster('ADDSLOTSRANGE', i * share, Math.min(SLOTS, (i + 1) * share) - 1);
    await admin.cluster('SET-CONFIG-EPOCH', i + 1);
  }
  const [first, ...others] = all as [ClusterNode, ...ClusterNode[]];
  const bus = Number(/@(\d+)/.exec(String(await first.admin.cluster('NODES')))?.[1]);
  for (const { admin } of others) await admin.call('CLUSTER', 'MEET', '127.0.0.1', first.server.port, bus);
  await Promise.all(
    all.map(({ admin }) => eventually(async () => (await infoOf(admin)).includes(`cluster_known_nodes:${all.length}`))),
  );
}

/** A node that has just been met may not know yet that the master is one. */
async function follows(replica: Redis, masterId: string): Promise<void> {
  await eventually(() =>
    replica.cluster('REPLICATE', masterId).then(
      () => true,
      () => false,
    ),
  );
  await eventually(async () => (await replica.info('replication')).includes('master_link_status:up'));
}

async function isWhole(admin: Redis, replicas: number): Promise<void> {
  await eventually(async () => {
    const isOk = (await infoOf(admin)).includes('cluster_state:ok');
    return isOk && String(await admin.cluster('NODES')).split('slave').length === replicas + 1;
  });
}

async function infoOf(admin: Redis): Promise<string> {
  return admin.cluster('INFO');
}

/** Moves a slot with its keys from one master to another, as a resharding does. */
export async function moveSlot(slot: number, from: ClusterNode, to: ClusterNode, pauseMs = 0): Promise<number> {
  await to.admin.cluster('SETSLOT', slot, 'IMPORTING', from.id);
  await from.admin.cluster('SETSLOT', slot, 'MIGRATING', to.id);
  let moved = 0;
  for (;;) {
    const keys = await from.admin.cluster('GETKEYSINSLOT', slot, 5);
    if (keys.length === 0) break;
    await from.admin.call('MIGRATE', '127.0.0.1', to.server.port, '', 0, 1000, 'KEYS', ...keys);
    moved += keys.length;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  await to.admin.cluster('SETSLOT', slot, 'NODE', to.id);
  await from.admin.cluster('SETSLOT', slot, 'NODE', to.id);
  return moved;
}
