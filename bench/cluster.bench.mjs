// Whether the throughput of masters adds up: CPU per decision on one server, on a cluster of one master, on one master of
// three that is asked alone, and on all three at once, by one client and by one for each. Decisions per second cannot
// triple on one machine.
import os from 'node:os';
import { startRedis } from '../test/support/redis-server.mjs';
import { measurePerMaster } from './cluster/per-master.mjs';
import { tokenBucket } from './redis/contenders.mjs';
import { Meter } from './redis/meter.mjs';
import { readOptions } from './support/options.mjs';
import { makeOrder } from './support/subjects.mjs';
import { machine, printTable, thousands } from './support/table.mjs';
import { medianOf, medianOfPairs, takeTurns } from './support/turns.mjs';
import './support/typescript.mjs';

const { startCluster } = await import('../test/support/redis-cluster.ts');
const { subjectsIn, subjectsOf } = await import('../test/support/redis-cluster-subjects.ts');

const { rounds: ROUNDS, isWanted } = readOptions(15);
const WARM_UPS = 3;
const LIMITS = [1_000_000];
/** Of one core, so that there is room for a peak. */
const USABLE_MICROS = 700_000;
const CASES = [
  { title: '10 000 subjects, 64 in flight', keys: 10_000, inFlight: 64, operations: 6000 },
  { title: '10 000 subjects, 256 in flight', keys: 10_000, inFlight: 256, operations: 6000 },
];
const CASES_PER_MASTER = [
  { title: '10 000 subjects per client process, 64 in flight each', inFlight: 64 },
  { title: '10 000 subjects per client process, 256 in flight each', inFlight: 256 },
];

const server = await startRedis();
const [one, three] = await Promise.all([1, 3].map((masters) => startCluster({ masters, hasReplicas: false })));
const urlsOf = ({ masters }) => masters.map((master) => master.server.url);
const anywhere = (keys) => subjectsIn(keys, 'user', () => true);
const contenders = [
  await contender('one server, no cluster', { url: server.url }, [server.url], anywhere),
  await contender('a cluster of 1 master', { cluster: { nodes: one.nodes } }, urlsOf(one), anywhere),
  await contender('1 of 3 masters, asked alone', { cluster: { nodes: three.nodes } }, urlsOf(three), (keys) =>
    subjectsOf(0, 'user', keys),
  ),
  await contender('3 masters at once', { cluster: { nodes: three.nodes } }, urlsOf(three), anywhere),
];
const ONE_MASTER = 1;
console.log(`${machine(os)}; medians of ${ROUNDS} turns; figures compare within one run only`);
for (const test of CASES.filter(isWanted)) await run(test);
for (const { close } of contenders) await close();
const subjects = { anywhere, of: (master, keys) => subjectsOf(master, 'user', keys) };
for (const test of CASES_PER_MASTER.filter(isWanted)) {
  await measurePerMaster({ one, three }, subjects, { ...test, limits: LIMITS, rounds: ROUNDS });
}
await Promise.all([server, one, three].map((each) => each.stop()));

async function contender(name, where, urls, subjects) {
  const meter = new Meter(...urls);
  const { decide, close } = await tokenBucket({ ...where, limits: LIMITS });
  return { name, decide, meter, subjects, close: () => Promise.all([close(), meter.close()]) };
}

async function run({ title, keys, inFlight, operations }) {
  const order = makeOrder(keys);
  const results = await takeTurns(
    contenders.map(({ name, decide, meter, subjects }) => {
      const asked = subjects(keys);
      let at = 0;
      const operation = async () => {
        if (!(await decide(asked[order[at++ & (order.length - 1)]]))) throw new Error(`${name} denied`);
      };
      return { name, turn: () => meter.turn(operation, { operations, inFlight }) };
    }),
    WARM_UPS + ROUNDS,
  );
  // The first rounds compile and fill.
  for (const { turns } of results) turns.splice(0, WARM_UPS);
  printTable(
    title,
    ['', 'CPU µs, all masters', 'the busiest', '× 1 master', 'it bears/s (calc)', 'CPU µs, Node', 'calls', 'here/s'],
    results.map((result) => [
      result.name,
      medianOf(result, 'redisMicros').toFixed(1),
      medianOf(result, 'busiestMicros').toFixed(1),
      medianOfPairs(result, results[ONE_MASTER], (mine, its) => mine.busiestMicros / its.busiestMicros).toFixed(2),
      thousands(USABLE_MICROS / medianOf(result, 'busiestMicros')),
      medianOf(result, 'nodeMicros').toFixed(1),
      medianOf(result, 'calls').toFixed(2),
      thousands(medianOf(result, 'perSecond')),
    ]),
  );
}
