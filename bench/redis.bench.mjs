// The Redis storage beside peers on one server that is started for it: decisions per second, CPU of this process and of
// Redis, and commands per decision.
import os from 'node:os';
import { startRedis } from '../test/support/redis-server.mjs';
import * as contenders from './redis/contenders.mjs';
import { Meter } from './redis/meter.mjs';
import { makeOrder } from './support/subjects.mjs';
import { machine, printTable, thousands } from './support/table.mjs';
import { medianOf, medianOfPairs, takeTurns } from './support/turns.mjs';

const { floor, plainScript, tokenBucket, nestLabThrottler, rateLimiterFlexible, hitlimit } = contenders;
const PEERS = [floor, plainScript, tokenBucket, nestLabThrottler, rateLimiterFlexible, hitlimit];
const UNREACHED = 1_000_000;
const ROUNDS = 9;
const WARM_UPS = 4;
const CASES = [
  { title: '10 000 subjects, 64 in flight', keys: 10_000, inFlight: 64, operations: 6000 },
  { title: '10 000 subjects, 1 in flight', keys: 10_000, inFlight: 1, operations: 2000 },
  { title: '10 000 subjects, 256 in flight', keys: 10_000, inFlight: 256, operations: 12_000 },
  { title: 'one subject, 64 in flight, all allowed', keys: 1, inFlight: 64, operations: 12_000 },
  { title: 'one subject, 256 in flight, all allowed', keys: 1, inFlight: 256, operations: 24_000 },
  {
    title: 'one subject, 64 in flight, all denied',
    keys: 1,
    inFlight: 64,
    operations: 12_000,
    limits: [5],
    peers: [...PEERS, contenders.rateLimiterFlexibleBlocking],
  },
  {
    title: '10 000 subjects, 3 limits a decision, 1 in flight',
    keys: 10_000,
    inFlight: 1,
    operations: 2000,
    limits: [UNREACHED, UNREACHED, UNREACHED],
  },
  {
    title: '10 000 subjects, 3 limits a decision, 64 in flight',
    keys: 10_000,
    inFlight: 64,
    operations: 3000,
    limits: [UNREACHED, UNREACHED, UNREACHED],
  },
];

const redis = await startRedis();
const meter = new Meter(redis.url);
console.log(`${machine(os)}; medians of ${ROUNDS} turns; figures compare within one run only`);
for (const [number, test] of CASES.entries()) await run(test, number);
meter.close();
await redis.stop();

async function run({ title, keys, inFlight, operations, limits = [UNREACHED], peers = PEERS }, number) {
  const order = makeOrder(keys);
  const plan = { url: redis.url, limits };
  const made = [];
  for (const make of peers) made.push(await make(plan));
  const denied = limits[0] !== UNREACHED;

  const results = await takeTurns(
    await Promise.all(
      made.map(async ({ name, decide }, contender) => {
        let at = 0;
        const operation = async () => {
          const allowed = await decide(`case${number}:user:${order[at++ & (order.length - 1)]}`);
          if (allowed === denied && contender > 0) throw new Error(`${name}: allowed is ${allowed}`);
        };
        if (denied) for (let i = 0; i < limits[0]; i++) await decide(`case${number}:user:0`);
        return { name, turn: () => meter.turn(operation, operations, inFlight) };
      }),
    ),
    WARM_UPS + ROUNDS,
  );
  // The first rounds compile and fill.
  for (const { turns } of results) turns.splice(0, WARM_UPS);

  const nestLab = results[peers.indexOf(nestLabThrottler)];
  printTable(
    title,
    ['', 'decisions/s', '× nest-lab', 'CPU µs, Node', 'CPU µs, Redis', 'calls', 'commands'],
    results.map((result) => [
      result.name,
      thousands(medianOf(result, 'perSecond')),
      medianOfPairs(result, nestLab, (mine, its) => mine.perSecond / its.perSecond).toFixed(2),
      medianOf(result, 'nodeMicros').toFixed(1),
      medianOf(result, 'redisMicros').toFixed(1),
      medianOf(result, 'calls').toFixed(2),
      medianOf(result, 'commands').toFixed(2),
    ]),
  );
  for (const { close } of made) await close();
}
