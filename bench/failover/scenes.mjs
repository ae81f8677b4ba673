// What happens to servers while they are asked. Each is played three times.
import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeSubjects } from '../support/subjects.mjs';
import '../support/typescript.mjs';

const { moveSlot, startCluster } = await import('../../test/support/redis-cluster.ts');
const { subjectsIn } = await import('../../test/support/redis-cluster-subjects.ts');
const { startSentinelGroup } = await import('../../test/support/redis-sentinel.ts');

const TIMES = [0, 1, 2];
const SLOTS = 16_384;
/** Slots that are moved, and the pause between two pieces of one. */
const MOVED = 64;
const PAUSE_MS = 5;

/**
 * @typedef {object} Run one time of a scene
 * @property {object} where the options of a storage that say so
 * @property {(count: number) => string[]} subjects whom it concerns
 * @property {() => Promise<unknown>} begin
 * @property {() => unknown} end
 * @property {Redis} keeper who has their buckets afterwards
 *
 * @typedef {object} Scene
 * @property {string} title
 * @property {() => AsyncGenerator<Run>} runs
 */

/** @type {Scene[]} */
export const SCENES = [
  { title: 'Cluster: a master is killed (SIGKILL)', runs: () => eachMaster(signals('SIGKILL')) },
  { title: 'Cluster: a master freezes (SIGSTOP)', runs: () => eachMaster(signals('SIGSTOP')) },
  { title: 'Cluster: a replica takes over by order (CLUSTER FAILOVER)', runs: () => eachMaster(ordered) },
  { title: 'Sentinel: the master is killed (SIGKILL)', runs: () => newGroups(signals('SIGKILL')) },
  { title: 'Sentinel: the master freezes (SIGSTOP)', runs: () => newGroups(signals('SIGSTOP')) },
  { title: `Cluster: ${MOVED} slots move to another master`, runs: clusterReshards },
];

function signals(signal) {
  return ({ pid }) => ({
    begin: async () => process.kill(pid, signal),
    end: () => signal === 'SIGSTOP' && process.kill(pid, 'SIGCONT'),
  });
}

function ordered(_master, replica) {
  return { begin: () => replica.admin.cluster('FAILOVER'), end: () => {} };
}

/** Of a cluster with a replica of each, in turn. */
async function* eachMaster(fault) {
  const cluster = await startCluster();
  const { masters, replicas, nodes } = cluster;
  try {
    for (const victim of TIMES) {
      const isConcerned = (slot) => Math.floor(slot / Math.ceil(SLOTS / masters.length)) === victim;
      yield {
        where: { cluster: { nodes } },
        subjects: (count) => subjectsIn(count, 'user', isConcerned),
        ...fault(masters[victim].server, replicas[victim]),
        keeper: replicas[victim].admin,
      };
    }
  } finally {
    await cluster.stop();
  }
}

/** A new group each time: a replica can take over once. */
async function* newGroups(fault) {
  for (const _ of TIMES) {
    const group = await startSentinelGroup();
    const keeper = new Redis(group.replica.port);
    try {
      yield {
        where: { options: { sentinels: [...group.sentinels], name: group.name } },
        subjects: (count) => makeSubjects(count).stored,
        ...fault(group.master),
        keeper,
      };
    } finally {
      keeper.disconnect();
      await group.stop();
    }
  }
}

async function* clusterReshards() {
  const cluster = await startCluster({ hasReplicas: false });
  const [from, to] = cluster.masters;
  try {
    for (const time of TIMES) {
      const first = time * MOVED;
      let moving;
      const move = async () => {
        for (let slot = first; slot < first + MOVED; slot++) {
          await moveSlot(slot, from, to, PAUSE_MS);
          await sleep(PAUSE_MS);
        }
      };
      yield {
        where: { cluster: { nodes: cluster.nodes } },
        subjects: (count) => subjectsIn(count, 'moved', (slot) => slot >= first && slot < first + MOVED),
        begin: async () => void (moving = move()),
        end: () => moving,
        keeper: to.admin,
      };
    }
  } finally {
    await cluster.stop();
  }
}
