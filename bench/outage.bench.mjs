// What requests notice of a Redis that goes away or is far: how long they take, how many of them wait, and what a decision
// costs while Redis is not asked.
import os from 'node:os';
import { measureBeginnings } from './outage/beginnings.mjs';
import { measureFarAway } from './outage/far-away.mjs';
import { FAULTS } from './outage/faults.mjs';
import { measureOpenBreaker } from './outage/open-breaker.mjs';
import { DEADLINE_MS, Target } from './outage/target.mjs';
import { readOptions } from './support/options.mjs';
import { machine } from './support/table.mjs';

const { rounds, isWanted } = readOptions(5);

const target = await Target.start();
console.log(`${machine(os)}; deadlineMs ${DEADLINE_MS}, onStorageFailure 'local'`);
const PARTS = [
  { title: 'the breaker is open', measure: () => measureOpenBreaker(target) },
  { title: 'is far for 3 s', measure: () => measureFarAway(target) },
];
const faults = FAULTS.filter(isWanted);
if (faults.length > 0) await measureBeginnings(target, faults, rounds);
for (const { measure } of PARTS.filter(isWanted)) await measure();
await target.stop();
