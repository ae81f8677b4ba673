import { Policy, placeOf } from '../../src/core/policy.js';
import { bucketKey, probeKey } from '../../src/storage/redis/key.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { hostileSubjects } from '../../src/testing/storage-contract/hostile-subjects.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { deleteUnder, keysUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

const HOSTILE_SUBJECTS = hostileSubjects();

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

const PIECES = ['a', 'b', '{', '}', '/', ':', '%', '#', '\0', '%007d', '%007b', '%#', '}a/', '{a}', '\ud800', 'é', '.'];
const textOf = (pieces: readonly string[]) => pieces.join('');
const somePieces = (random: SeededRandom, most: number) =>
  Array.from({ length: random.integer(1, most) }, () => random.pick(PIECES));

test('a million pairs built to collide do not', () => {
  const random = new SeededRandom(seedOfThisRun());
  const names = ['p', 'a', 'a.b', 'b-'].map((name) => policyAt('', name).id);
  /** One text, cut at two places into a subject and a place: joined carelessly, all cuts would be one key. */
  const cut = (pieces: readonly string[]) => {
    const end = random.integer(1, pieces.length);
    const middle = random.integer(end, pieces.length);
    const name = random.pick(names);
    const subject = textOf(pieces.slice(0, end));
    const id = `${placeOf(textOf(pieces.slice(end, middle)), textOf(pieces.slice(middle)))}/${name}`;
    return {
      subject,
      where: `${end} ${middle} ${name}`,
      key: bucketKey('rl:', { policy: { stateId: id } as Policy, subject }),
    };
  };
  const collisions: unknown[] = [];
  for (let pairs = 0; pairs < 1_000_000;) {
    const pieces = somePieces(random, 6);
    const [one, other] = [cut(pieces), cut(pieces)];
    if (one.where === other.where) continue;
    pairs++;
    const sameTag = hashTag(one.key) === hashTag(other.key);
    if (one.key === other.key || sameTag !== (one.subject === other.subject)) collisions.push([one, other]);
  }
  expect({ seed: random.seed, collisions }).toEqual({ seed: random.seed, collisions: [] });
}, 120_000);

test('a hundred thousand buckets have as many keys, each with its subject as hash tag', () => {
  const random = new SeededRandom(seedOfThisRun());
  const shortHostileSubjects = HOSTILE_SUBJECTS.filter((subject) => subject.length < 1000);
  const policies = Array.from({ length: 300 }, () => policyAt(placeOf(...somePieces(random, 3))));
  const subjectByTag = new Map<string, string>();
  const bucketByKey = new Map<string, string>();
  const collisions: unknown[] = [];
  while (bucketByKey.size < 100_000) {
    const policy = random.pick(policies);
    const subject = random.next() < 0.1 ? random.pick(shortHostileSubjects) : textOf(somePieces(random, 5));
    const bucket = `${subject.length} ${subject} ${policy.id}`;
    const key = bucketKey('rl:', { policy, subject });
    const tag = hashTag(key);
    const [twin, owner] = [bucketByKey.get(key) ?? bucket, subjectByTag.get(tag) ?? subject];
    if (twin !== bucket || owner !== subject || !key.startsWith(`rl:{${tag}}`)) collisions.push([bucket, twin, key]);
    bucketByKey.set(key, bucket);
    subjectByTag.set(tag, subject);
  }
  expect({ seed: random.seed, collisions }).toEqual({ seed: random.seed, collisions: [] });
});

test('places written in code are as many keys on the wire, and those that would not be are no places', () => {
  const subjects = ['a', '}a/', 'a}b'];
  const isHalf = (text: string) => /\p{Surrogate}/u.test(text);
  const places = HOSTILE_SUBJECTS.flatMap((place) => [place, `${place}/${place}`]).filter((place) => !isHalf(place));
  const buckets = places.flatMap((place) => subjects.map((subject) => ({ policy: policyAt(place), subject })));
  const keys = buckets.map((bucket) => Buffer.from(bucketKey('rl:', bucket), 'utf8').toString('hex'));
  expect(new Set(keys).size).toBe(new Set(places).size * subjects.length);
  for (const place of HOSTILE_SUBJECTS.filter(isHalf)) {
    expect(() => policyAt(place)).toThrow(/holds half of a character/);
  }
});

test('the server sees one key per hostile subject', async () => {
  const client = plainClient();
  const prefix = uniquePrefix();
  const storage = new RedisStorage({ client, prefix, deadlineMs: 5000 });
  const policy = policyAt(placeOf('a', 'b'));
  await Promise.all(HOSTILE_SUBJECTS.map(async (subject) => storage.consume([{ policy, subject, cost: 1 }])));
  const keys = await keysUnder(client, prefix);
  expect(new Set(HOSTILE_SUBJECTS).size).toBe(HOSTILE_SUBJECTS.length);
  expect(keys.length).toBe(HOSTILE_SUBJECTS.length);
  expect(Math.max(...keys.map((key) => key.length))).toBeLessThan(1000);
  expect(keys.filter((key) => /[^\x21-\x7e]/.test(key))).toEqual([]);
  await deleteUnder(client, prefix);
  await storage.close();
  await client.quit();
});
