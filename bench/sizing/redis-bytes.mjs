// What a key takes in Redis: by its text, by its algorithm, and how many of which are thrown out of a Redis that is full.
import { setTimeout as sleep } from 'node:timers/promises';
import { Policy } from '../../dist/esm/index.js';
import { bucketKey } from '../../dist/esm/storage/redis/key.js';
import { printTable } from '../support/table.mjs';
import { addressOf, DAY, policyOf, userOf } from './policies.mjs';

const KEYS = 100_000;
const AT_ONCE = 2000;
const PREFIX = 'rl:';
const PLACE = 'AppModule/ReportsController/list';
const whole = { capacity: 60, perSeconds: 60 * DAY };
/** A token takes a seventh of a day, which is no whole number of µs. */
const withRemainder = { capacity: 7, perSeconds: DAY };

const TEXTS = [
  { policy: new Policy({ ...whole, name: 'exports' }), subjectOf: addressOf },
  { policy: new Policy({ ...whole, place: PLACE }), subjectOf: addressOf },
  { policy: new Policy({ ...whole, place: PLACE }), subjectOf: userOf },
  { policy: new Policy({ ...withRemainder, place: PLACE }), subjectOf: addressOf, note: ', 7 per day' },
];

async function chargeAll({ storage }, policy, subjectOf, count, cost = 1) {
  for (let from = 0; from < count; from += AT_ONCE) {
    const subjects = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, i) => subjectOf(from + i));
    const replies = await Promise.all(subjects.map(async (subject) => storage.consume([{ policy, subject, cost }])));
    if (!replies.every(({ allowed }) => allowed)) throw new Error(`${policy.id} denied`);
  }
}

async function usedMemory({ admin }) {
  return Number(/^used_memory:(\d+)/m.exec(await admin.info('memory'))[1]);
}

export async function measureTexts(place) {
  const rows = [];
  for (const { policy, subjectOf, note = '' } of TEXTS) {
    await place.admin.flushall();
    const before = await usedMemory(place);
    await chargeAll(place, policy, subjectOf, KEYS);
    const grown = (await usedMemory(place)) - before;
    const keys = await place.admin.dbsize();
    const key = bucketKey(PREFIX, { policy, subject: subjectOf(KEYS / 2) });
    rows.push([key + note, key.length, await place.admin.memory('USAGE', key), (grown / keys).toFixed(0)]);
  }
  printTable(
    `Bytes of a key by its text, ${KEYS} keys`,
    ['key', 'bytes of it', 'MEMORY USAGE', 'all of Redis, per key'],
    rows,
  );
}

const CHARGES_KEPT = {
  'token-bucket': [1],
  'fixed-window': [1],
  'leaky-bucket': [1],
  'sliding-window-log': [1, 10, 100, 1000],
  'sliding-window-counter': [1],
};

export async function measureAlgorithms(place) {
  const rows = [];
  const usage = async (policy, charges) => {
    await place.admin.flushall();
    const subject = addressOf(KEYS / 2);
    // One after the other: what travels in one call is one charge.
    for (let i = 0; i < charges; i++) await place.storage.consume([{ policy, subject, cost: 1 }]);
    return place.admin.memory('USAGE', bucketKey(PREFIX, { policy, subject }));
  };
  for (const [algorithm, lengths] of Object.entries(CHARGES_KEPT)) {
    for (const charges of lengths) rows.push([algorithm, charges, await usage(policyOf(algorithm), charges)]);
  }
  printTable('Bytes of a key by its algorithm', ['', 'charges kept', 'MEMORY USAGE'], rows);
}

const EVICTED = 10_000;
const TOO_LITTLE = 1 << 20;
const EVICTION_POLICIES = ['volatile-ttl', 'allkeys-lru', 'volatile-lru', 'allkeys-random', 'noeviction'];

/** As many buckets that are empty as such that lack 1 %, and Redis with a megabyte less than they take. */
export async function measureEviction(place) {
  const rows = [];
  const policy = new Policy({ capacity: 100, perSeconds: DAY });
  const kinds = { empty: 100, 'lacking 1 %': 1 };
  const subjectOf = (kind) => (i) => `${kind}:${i}`;
  for (const evictionPolicy of EVICTION_POLICIES) {
    await place.admin.flushall();
    for (const [kind, cost] of Object.entries(kinds)) await chargeAll(place, policy, subjectOf(kind), EVICTED, cost);
    await place.admin.config('SET', 'maxmemory-policy', evictionPolicy);
    const least = (await usedMemory(place)) - TOO_LITTLE;
    await place.admin.config('SET', 'maxmemory', least);
    // Throws out in slices of time, and none where it may not.
    while (evictionPolicy !== 'noeviction' && (await usedMemory(place)) > least) await sleep(10);
    const told = await place.storage.consume([{ policy, subject: 'one more', cost: 1 }]).then(
      () => 'decides',
      ({ message }) => /OOM/.exec(message)?.[0] ?? message,
    );
    await place.admin.config('SET', 'maxmemory', '0');
    const lost = [];
    for (const kind of Object.keys(kinds)) {
      const keys = Array.from({ length: EVICTED }, (_, i) =>
        bucketKey(PREFIX, { policy, subject: subjectOf(kind)(i) }),
      );
      lost.push(EVICTED - (await place.admin.exists(...keys)));
    }
    rows.push([evictionPolicy, ...lost, told]);
  }
  await place.admin.flushall();
  printTable(
    `Lost of ${EVICTED} buckets of each kind, with 1 MB too little`,
    ['maxmemory-policy', ...Object.keys(kinds), 'a new bucket'],
    rows,
  );
}
