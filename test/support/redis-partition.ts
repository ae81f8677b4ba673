import type { RedisClusterNodes } from '../../src/storage/redis/cluster-client.js';
import type { ClusterNode, TestCluster } from './redis-cluster.js';
import { eventually } from './redis-testing.js';
import { Wire } from './redis-wire.js';

/** A cluster whose network can be cut in two: one of its nodes on one side, and all others on the other side. */
export interface Partition {
  /** The way to all nodes for a client that is on the side of the one, or on that of the others. */
  readonly minority: RedisClusterNodes;
  readonly majority: RedisClusterNodes;
  cut(): void;
  heal(): void;
  stop(): Promise<unknown>;
}

/**
 * Nodes reach each other where they announce that they are, which is a wire of their own to each, for clients (replicas are
 * such) and for the bus. The bus to a node carries the packets of both sides, and whose they are stands in them.
 */
export async function partitionAround(lone: ClusterNode, { masters, replicas }: TestCluster): Promise<Partition> {
  let isCut = false;
  const wires: Wire[] = [];
  const wire = async (port: number, isCutFor: (sender: string) => boolean) => {
    const made = await Wire.start(port, (sender) => isCut && isCutFor(sender));
    wires.push(made);
    return made;
  };
  const all = [...masters, ...replicas];
  const roads: { node: ClusterNode; announced: number; bus: Wire; fromOne: number; fromOthers: number }[] = [];
  for (const node of all) {
    const isLone = node === lone;
    // Only a replica of a node connects to it so: all of those are on the other side.
    const announced = await wire(node.server.port, () => isLone);
    const bus = await wire(await busPortOf(node), (sender) => isLone || sender === lone.id);
    const fromOne = (await wire(node.server.port, () => !isLone)).port;
    const fromOthers = (await wire(node.server.port, () => isLone)).port;
    await node.admin.config('SET', 'cluster-announce-port', announced.port);
    await node.admin.config('SET', 'cluster-announce-bus-port', bus.port);
    roads.push({ node, announced: announced.port, bus, fromOne, fromOthers });
  }
  const addresses = roads.map(({ announced, bus }) => `127.0.0.1:${announced}@${bus.port}`);
  for (const { admin } of all) {
    await eventually(async () => {
      const known = String(await admin.cluster('NODES'));
      return addresses.every((address) => known.includes(address)) && !known.includes('disconnected');
    });
  }
  await eventually(() => roads.every(({ bus }) => bus.senders.size === all.length - 1));
  for (const { admin } of replicas)
    await eventually(() =>
      followsBy(
        admin,
        roads.map(({ announced }) => announced),
      ),
    );
  const wayOf = (side: 'fromOne' | 'fromOthers'): RedisClusterNodes => {
    const entrances = roads.map((road) => ({ host: '127.0.0.1', port: road[side] }));
    const natMap = Object.fromEntries(roads.map(({ announced }, i) => [`127.0.0.1:${announced}`, entrances[i]!]));
    return { nodes: entrances, options: { natMap } };
  };
  return {
    minority: wayOf('fromOne'),
    majority: wayOf('fromOthers'),
    cut: () => void (isCut = true),
    heal: () => {
      isCut = false;
      for (const each of wires) each.deliver();
    },
    stop: () => Promise.all(wires.map((each) => each.stop())),
  };
}

async function busPortOf({ admin }: ClusterNode): Promise<number> {
  return Number(/@(\d+)[^\n]*myself/.exec(String(await admin.cluster('NODES')))?.[1]);
}

/** Whether the replica has a link to its master by one of these ports. */
async function followsBy(admin: ClusterNode['admin'], ports: readonly number[]): Promise<boolean> {
  const info = await admin.info('replication');
  return info.includes('master_link_status:up') && ports.some((port) => info.includes(`master_port:${port}\r`));
}
