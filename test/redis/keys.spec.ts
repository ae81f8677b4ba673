import { Policy, placeOf } from '../../src/core/policy.js';
import { bucketKey, probeKey } from '../../src/storage/redis/key.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { HOSTILE_SUBJECTS } from '../contract/hostile-subjects.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { deleteUnder, keysUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

const policyAt = (place: string, name = 'p') => new Policy({ name, place, capacity: 10, perSeconds: 3600 });

/** The part of a key that decides its slot, by the rule of Redis Cluster. */
function hashTag(key: string): string {
  const open = key.indexOf('{');
  const close = key.indexOf('}', open + 1);
  return open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key;
}

test('a key is prefix, subject in braces, place and policy', () => {
  const policy = policyAt(placeOf('app', 'ReportsController', 'list'), 'burst');
  expect(bucketKey('rl:', { policy, subject: 'ip:203.0.113.7' })).toBe(
    'rl:{ip:203.0.113.7}app/ReportsController/list/burst',
  );
  expect(bucketKey('', { policy: policyAt(''), subject: 'a}b{c' })).toBe('{a%007db%007bc}p');
  expect(probeKey('rl:')).toBe('rl:{}probe');
});

test('a million pairs built to collide have a million keys, all with the subject as hash tag', () => {
  const random = new SeededRandom(seedOfThisRun());
  const shortHostileSubjects = HOSTILE_SUBJECTS.filter((subject) => subject.length < 1000);
  const pieces = [
    'a',
    'b',
    '{',
    '}',
    '/',
    ':',
    '%',
    '#',
    '\0',
    '%007d',
    '%007b',
    '%#',
    '}a/',
    '{a}',
    '\ud800',
    'é',
    '.',
  ];
  const text = () => Array.from({ length: random.integer(1, 5) }, () => random.pick(pieces)).join('');
  const policies = Array.from({ length: 300 }, () =>
    policyAt(placeOf(...Array.from({ length: random.integer(0, 3) }, text)), random.pick(['p', 'a', 'a.b', 'b-'])),
  );
  const subjectByTag = new Map<string, string>();
  const pairByKey = new Map<string, string>();
  while (pairByKey.size < 1_000_000) {
    const policy = random.pick(policies);
    const subject = random.next() < 0.02 ? random.pick(shortHostileSubjects) : text();
    const pair = `${subject.length} ${subject} ${policy.id}`;
    const key = bucketKey('rl:', { policy, subject });
    const twin = pairByKey.get(key);
    if (twin === pair) continue;
    pairByKey.set(key, pair);
    const tag = hashTag(key);
    const owner = subjectByTag.get(tag);
    if (owner === undefined) subjectByTag.set(tag, subject);
    if (twin !== undefined || (owner ?? subject) !== subject || !key.startsWith(`rl:{${tag}}`)) {
      throw new Error(`seed ${random.seed}: ${JSON.stringify({ pair, twin, subject, owner, key })}`);
    }
  }
  expect(pairByKey.size).toBe(1_000_000);
});

test('the server sees one key per hostile subject', async () => {
  const client = plainClient();
  const prefix = uniquePrefix();
  const storage = new RedisStorage({ client, prefix, deadlineMs: 5000 });
  const policy = policyAt(placeOf('a', 'b'));
  await Promise.all(HOSTILE_SUBJECTS.map((subject) => storage.consume([{ policy, subject, cost: 1 }])));
  const keys = await keysUnder(client, prefix);
  expect(new Set(HOSTILE_SUBJECTS).size).toBe(HOSTILE_SUBJECTS.length);
  expect(keys.length).toBe(HOSTILE_SUBJECTS.length);
  expect(Math.max(...keys.map((key) => key.length))).toBeLessThan(1000);
  expect(keys.filter((key) => /[^\x21-\x7e]/.test(key))).toEqual([]);
  await deleteUnder(client, prefix);
  await storage.close();
  await client.quit();
});
