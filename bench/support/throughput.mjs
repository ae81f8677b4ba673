// One case in a process of its own, so that no case inherits the compiled code of another.
// Arguments: keys, limit, operations per slice, rounds.
import { interleave, median, speedRatio } from './measure.mjs';
import { makeOrder, makeSubjects } from './subjects.mjs';
import * as contenders from './contenders.mjs';

const [keys, limit, operations, rounds] = process.argv.slice(2).map(Number);
const subjects = makeSubjects(keys);
const order = makeOrder(keys);
const make = (name, contender) => ({ name, run: contender(subjects, order, limit) });
const plan = { rounds, operations, warmUp: Math.min(operations, keys * 2) };

const [floor, ours] = await interleave(
  [make('floor', contenders.floor), make('nestjs-token-bucket', contenders.tokenBucket)],
  plan,
);
const peers = await interleave(
  [
    make('nestjs-token-bucket', contenders.tokenBucket),
    make('@joint-ops/hitlimit', contenders.hitlimit),
    make('express-rate-limit', contenders.expressRateLimit),
    make('rate-limiter-flexible', contenders.rateLimiterFlexible),
    make('@nestjs/throttler', contenders.nestjsThrottler),
  ],
  { ...plan, rounds: Math.ceil(rounds / 4), operations: operations / 4 },
);

const row = (result, toFloor, toUs) => ({
  name: result.name,
  nanos: median(result.nanos),
  cpuNanos: median(result.cpuNanos),
  toFloor,
  toUs,
});
const results = [
  row(floor, 1, speedRatio(floor, ours)),
  row(ours, speedRatio(ours, floor), 1),
  ...peers.slice(1).map((peer) => row(peer, undefined, speedRatio(peer, peers[0]))),
];
console.log(JSON.stringify(results));
process.exit(0); // some peers leave timers behind
