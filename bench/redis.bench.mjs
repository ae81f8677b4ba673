// The Redis storage beside peers on one server that is started for it: decisions per second, CPU of this process and of
// Redis, commands and bytes per decision; and what three limits on one request cost beside one.
import os from 'node:os';
import { startRedis } from '../test/support/redis-server.mjs';
import * as contenders from './redis/contenders.mjs';
import { Meter } from './redis/meter.mjs';
import { printLimits, printPeers } from './redis/tables.mjs';
import { readOptions } from './support/options.mjs';
import { makeOrder } from './support/subjects.mjs';
import { machine } from './support/table.mjs';
import { takeTurns } from './support/turns.mjs';

const { floor, plainScript, tokenBucket, nestLabThrottler, rateLimiterFlexible, hitlimit } = contenders;
const PEERS = [floor, plainScript, tokenBucket, nestLabThrottler, rateLimiterFlexible, hitlimit];
const UNREACHED = 1_000_000;
const DENYING = 5;
const ONE_LIMIT = [UNREACHED];
const THREE_LIMITS = [UNREACHED, UNREACHED, UNREACHED];
const WARM_UPS = 4;
const MANY = 10_000;
const { rounds: ROUNDS, isWanted } = readOptions(9);
const CASES = [
  { title: '10 000 subjects, 64 in flight', keys: MANY, inFlight: 64, operations: 6000 },
  { title: '10 000 subjects, 1 in flight', keys: MANY, inFlight: 1, operations: 2000 },
  { title: '10 000 subjects, 256 in flight', keys: MANY, inFlight: 256, operations: 12_000 },
  { title: 'one subject, 64 in flight, all allowed', keys: 1, inFlight: 64, operations: 12_000 },
  { title: 'one subject, 256 in flight, all allowed', keys: 1, inFlight: 256, operations: 24_000 },
  { title: 'one subject, 64 in flight, all denied', keys: 1, inFlight: 64, operations: 12_000, limits: [DENYING] },
  {
    title: 'one subject, 64 in flight, all denied, for 3 s at a time',
    keys: 1,
    inFlight: 64,
    milliseconds: 3000,
    limits: [DENYING],
    rounds: Math.min(3, ROUNDS),
    warmUps: 1,
  },
  {
    title: '10 000 subjects, 3 limits a decision, 1 in flight',
    keys: MANY,
    inFlight: 1,
    operations: 2000,
    limits: THREE_LIMITS,
  },
  {
    title: '10 000 subjects, 3 limits a decision, 64 in flight',
    keys: MANY,
    inFlight: 64,
    operations: 3000,
    limits: THREE_LIMITS,
  },
  { title: 'three limits beside one, 1 in flight', keys: MANY, inFlight: 1, operations: 2000, print: printLimits },
  { title: 'three limits beside one, 64 in flight', keys: MANY, inFlight: 64, operations: 4000, print: printLimits },
];
/** Each with one limit, and then with three. */
const LIMITED = [tokenBucket, plainScript, nestLabThrottler];

const redis = await startRedis();
const meter = new Meter(redis.url);
console.log(`${machine(os)}; medians of ${ROUNDS} turns; figures compare within one run only`);
for (const [number, test] of CASES.entries()) if (isWanted(test)) await run(test, number);
meter.close();
await redis.stop();

async function run(test, number) {
  const { keys, limits = ONE_LIMIT, print = printPeers, rounds = ROUNDS, warmUps = WARM_UPS } = test;
  const order = makeOrder(keys);
  const denied = limits[0] === DENYING;
  const isOfLimits = print === printLimits;
  const peers = denied ? [...PEERS, contenders.rateLimiterFlexibleBlocking] : PEERS;
  const plans = isOfLimits
    ? LIMITED.flatMap((make) => [ONE_LIMIT, THREE_LIMITS].map((each) => ({ make, limits: each })))
    : peers.map((make) => ({ make, limits }));
  const made = [];
  for (const { make, limits: its } of plans) made.push(await make({ url: redis.url, limits: its }));

  const taking = [];
  for (const [contender, { name, decide }] of made.entries()) {
    const isFloor = plans[contender].make === floor;
    let at = 0;
    const operation = async () => {
      const allowed = await decide(`case${number}:user:${order[at++ & (order.length - 1)]}`);
      if (allowed === denied && !isFloor) throw new Error(`${name}: allowed is ${allowed}`);
    };
    if (denied) for (let i = 0; i < limits[0]; i++) await decide(`case${number}:user:0`);
    taking.push({ name, turn: () => meter.turn(operation, test) });
  }
  const results = await takeTurns(taking, warmUps + rounds);
  // The first rounds compile and fill.
  for (const { turns } of results) turns.splice(0, warmUps);
  print(test.title, results);
  for (const { close } of made) await close();
}
