// What a decision costs Redis and Node: by how many travel together, by algorithm, of one subject that many ask about, and
// what giving back costs a long log.
import { Policy } from '../../dist/esm/index.js';
import { makeOrder } from '../support/subjects.mjs';
import { printTable, thousands } from '../support/table.mjs';
import { medianOf, takeTurns } from '../support/turns.mjs';
import { addressOf, policyOf } from './policies.mjs';

const KEYS = 10_000;
const UNREACHED = 1_000_000;
const DECISIONS = 6000;
const WARM_UPS = 3;
/** Of one core, so that there is room for a peak. */
const USABLE_MICROS = 700_000;

const plenty = new Policy({ capacity: UNREACHED, perSeconds: 3600 });
const ask = async ({ storage }, policy, subject) => storage.consume([{ policy, subject, cost: 1 }]);

/** So many decisions about different subjects in one call, and the next ones when these are answered. */
function together(place, name, policy, { size, subjects = addressOf, keys = KEYS, decisions = DECISIONS }) {
  const order = makeOrder(keys);
  let at = 0;
  const next = () => ask(place, policy, subjects(order[at++ & (order.length - 1)]));
  const operation = async () => {
    const replies = await Promise.all(Array.from({ length: size }, next));
    if (!replies.every(({ allowed }) => allowed)) throw new Error(`${name} denied`);
  };
  const turn = async () => {
    const plan = { inFlight: 1, operations: Math.ceil(decisions / size) };
    const figures = Object.entries(await place.meter.turn(operation, plan));
    return Object.fromEntries(figures.map(([figure, value]) => [figure, value / size]));
  };
  return { name, turn };
}

async function printTurns(title, contenders, rounds) {
  const results = await takeTurns(contenders, WARM_UPS + rounds);
  // The first rounds compile and fill.
  for (const { turns } of results) turns.splice(0, WARM_UPS);
  printTable(
    title,
    ['', 'CPU µs, Redis', 'CPU µs, Node', 'calls', 'decisions/s at 70 % of a core (calc)'],
    results.map((result) => [
      result.name,
      medianOf(result, 'redisMicros').toFixed(3),
      medianOf(result, 'nodeMicros').toFixed(3),
      medianOf(result, 'calls').toFixed(3),
      thousands(USABLE_MICROS / medianOf(result, 'redisMicros')),
    ]),
  );
}

export async function measureCalls(place, rounds) {
  const contenders = [1, 4, 16, 32].map((size) => together(place, `${size} a call`, plenty, { size }));
  await printTurns('A decision by how many travel together', contenders, rounds);
}

/** The leaky bucket is the token bucket of one token. */
const ALGORITHMS = ['token-bucket', 'fixed-window', 'sliding-window-log', 'sliding-window-counter'];

export async function measureAlgorithms(place, rounds) {
  for (const size of [1, 32]) {
    // Of each algorithm buckets of its own: it is a few charges that a log keeps here.
    const contenders = ALGORITHMS.map((algorithm) =>
      together(place, algorithm, policyOf(algorithm), { size, subjects: (i) => `${size}${algorithm}:${i}` }),
    );
    await printTurns(`A decision by algorithm, ${size} a call`, contenders, rounds);
  }
}

/** So few decisions about so many subjects that their logs stay about as long as they are made. */
const LOGS = { keys: 128, decisions: 640 };
const FILLED = [100, 1000, 2000];

async function fill(place, policy, subjects, keys, charges) {
  const all = Array.from({ length: keys }, (_, i) => subjects(i));
  // What travels in one call is one charge, so that a subject is asked about once at a time.
  for (let i = 0; i < charges; i++) await Promise.all(all.map((subject) => ask(place, policy, subject)));
}

export async function measureLogs(place, rounds) {
  const policy = policyOf('sliding-window-log');
  const contenders = [];
  for (const charges of FILLED) {
    const subjects = (i) => `log${charges}:${i}`;
    await fill(place, policy, subjects, LOGS.keys, charges);
    for (const size of [1, 32]) {
      contenders.push(together(place, `${charges} charges kept, ${size} a call`, policy, { ...LOGS, size, subjects }));
    }
  }
  await printTurns('A decision about a sliding window log, by its length', contenders, rounds);
}

export async function measureOneSubject(place, rounds) {
  const inFlight = 500;
  const few = new Policy({ name: 'few', capacity: 1, perSeconds: 3600 });
  await ask(place, few, 'user:0');
  const contenders = Object.entries({ allowed: plenty, denied: few }).map(([name, policy]) => ({
    name,
    turn: () => place.meter.turn(() => ask(place, policy, 'user:0'), { inFlight, operations: 8 * DECISIONS }),
  }));
  await printTurns(`A decision about one subject, ${inFlight} in flight`, contenders, rounds);
}

/** The charge in the middle of each log is taken out: whichever side of it is the shorter one is written anew. */
export async function measureGivingBack(place) {
  const policy = policyOf('sliding-window-log');
  const rows = [];
  const keys = 32;
  for (const beside of [10, 100, 1000]) {
    const subjects = (i) => `back${beside}:${i}`;
    await fill(place, policy, subjects, keys, beside);
    const middle = [];
    for (let i = 0; i < keys; i++) middle.push((await ask(place, policy, subjects(i))).nowMicros);
    await fill(place, policy, subjects, keys, beside);
    const { servers } = await place.meter.around(async () => {
      for (const [i, thenMicros] of middle.entries()) {
        await place.storage.refund([{ policy, subject: subjects(i), cost: 1 }], thenMicros);
      }
    });
    rows.push([beside, Math.round(servers[0].cpuMicros / keys)]);
  }
  printTable(
    'Giving back a charge of a sliding window log, one a call',
    ['charges before it, and as many since', 'CPU µs, Redis'],
    rows,
  );
}
