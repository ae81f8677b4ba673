// Whether a master of several that are all loaded at once costs what a master by itself costs: a client process for each.
import { Meter } from '../redis/meter.mjs';
import { printTable, thousands } from '../support/table.mjs';
import { medianOf, medianOfPairs, takeTurns } from '../support/turns.mjs';
import { startClients } from './clients.mjs';

const TURN_MS = 500;
const WARM_UPS = 1;
/** Of each client, until its code is compiled. */
const WARM_UP_OPERATIONS = 20_000;
const KEYS = 10_000;

/**
 * @param {{ one: object, three: object }} clusters
 * @param {{ anywhere: (keys: number) => string[], of: (master: number, keys: number) => string[] }} subjects
 */
export async function measurePerMaster({ one, three }, subjects, { title, inFlight, limits, rounds }) {
  const contenders = [
    await contender('a cluster of 1 master', one, [subjects.anywhere(KEYS)], limits),
    await contender(
      '3 masters at once, a client process each',
      three,
      three.masters.map((_, i) => subjects.of(i, KEYS)),
      limits,
    ),
  ];
  for (const { warmUp } of contenders) await warmUp({ inFlight, operations: WARM_UP_OPERATIONS });
  const results = await takeTurns(
    contenders.map(({ name, turn }) => ({ name, turn: () => turn({ inFlight, milliseconds: TURN_MS }) })),
    WARM_UPS + rounds,
  );
  for (const { turns } of results) turns.splice(0, WARM_UPS);
  for (const { close } of contenders) close();

  const [alone, together] = results;
  const row = (name, result, master) => [
    name,
    medianOf(result, (masters) => masters[master].cpuMicros).toFixed(1),
    medianOfPairs(result, alone, (mine, its) => mine[master].cpuMicros / its[0].cpuMicros).toFixed(2),
    medianOf(result, (masters) => masters[master].nodeMicros).toFixed(1),
    medianOf(result, (masters) => masters[master].calls).toFixed(2),
    thousands(medianOf(result, (masters) => masters[master].perSecond)),
  ];
  printTable(
    title,
    ['', 'CPU µs, Redis', '× 1 master', 'CPU µs, Node', 'calls', 'here/s'],
    [row(alone.name, alone, 0), ...three.masters.map((_, i) => row(`${together.name}: master ${i + 1}`, together, i))],
  );
}

/** A turn answers with the figures of each master per decision of its own client. */
async function contender(name, { masters, nodes }, subjectsOfClients, limits) {
  const meter = new Meter(...masters.map(({ server }) => server.url));
  const where = { cluster: { nodes } };
  const clients = await startClients(
    subjectsOfClients.map((subjects) => ({ where, subjects })),
    limits,
  );
  const turn = async (plan) => {
    const { result, seconds, servers } = await meter.around(() => clients.ask(plan));
    return servers.map(({ cpuMicros, calls }, i) => {
      const { operations, cpuMicros: nodeMicros } = result[i];
      const each = (figure) => figure / operations;
      return {
        cpuMicros: each(cpuMicros),
        nodeMicros: each(nodeMicros),
        calls: each(calls),
        perSecond: operations / seconds,
      };
    });
  };
  const close = () => {
    clients.stop();
    meter.close();
  };
  return { name, warmUp: clients.ask, turn, close };
}
