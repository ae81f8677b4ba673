import { Policy } from '../../src/core/policy.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { deleteUnder, plainClient, stateUnder, uniquePrefix } from '../support/redis-testing.js';

const prefix = uniquePrefix();
const client = plainClient();
const storage = new RedisStorage({ client, prefix, deadlineMs: 5000, denyCache: false });
const log = new Policy({ name: 'minute', capacity: 6, perSeconds: 60, algorithm: 'sliding-window-log' });
const counter = new Policy({ name: 'minute', capacity: 6, perSeconds: 60, algorithm: 'sliding-window-counter' });
const keyOf = (policy: Policy) => `${prefix}{user:1}${policy.stateId}`;
const chargeOf = (policy: Policy, cost = 1) => [{ policy, subject: 'user:1', cost }];
const nowMicros = () => Date.now() * 1000;
const DAY_MICROS = 86_400_000_000;

beforeAll(() => storage.open());
beforeEach(() => client.del(keyOf(log), keyOf(counter)));
afterAll(async () => {
  await storage.close();
  await deleteUnder(client, prefix);
  await client.quit();
});

/** A log as the script writes it: time and sum, 7 bytes each. */
function pairs(...numbers: readonly number[]): Buffer {
  return Buffer.concat(
    numbers.map((number) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(BigInt(number));
      return bytes.subarray(1);
    }),
  );
}

type Spoil = (key: string) => Promise<unknown>;
const text = (value: string | Buffer): [string, Spoil] => [
  JSON.stringify(value.toString('latin1')).slice(0, 40),
  (key) => client.set(key, value),
];

const ofAnotherType: [what: string, spoil: Spoil][] = [
  ['a list', (key) => client.rpush(key, '1')],
  ['a hash', (key) => client.hset(key, 'q', '1')],
  ['a set', (key) => client.sadd(key, '1')],
  ['a sorted set', (key) => client.zadd(key, 1, '1')],
  ['a stream', (key) => client.xadd(key, '*', 'q', '1')],
];

const noLogs = [
  ...['', ' ', 'nan', '0', '5', '1795000000000000', '1:2:3', '1795000000000000:3:7', '1:2:3:4', '{}', 'x'.repeat(28)],
  ...['x'.repeat(100_002), '\0'.repeat(28), '\0'.repeat(14), '\0'.repeat(29), '\xff'.repeat(28)],
  pairs(0, 0),
  pairs(0, 0, 5),
  // Less than nothing is taken; times and sums that fall; far ahead; beyond what is exact.
  pairs(0, 3, nowMicros(), 2),
  pairs(nowMicros(), 0, nowMicros(), 3),
  pairs(0, 0, nowMicros(), 3, nowMicros() - 1000, 4),
  pairs(0, 0, nowMicros(), 3, nowMicros() + 1000, 2),
  pairs(0, 0, nowMicros() + 72 * 366 * DAY_MICROS, 3),
  pairs(0, 0, nowMicros(), 2 ** 53 + 2),
  pairs(0, 0, nowMicros() - 2 * DAY_MICROS, 100, nowMicros(), 50, nowMicros(), 60),
];

const noCounters = [
  ...['', ' ', 'nan', '0', '5', '1795000000000000', '1:2:3', '1795000000000000:3:7', '1:2:3:4:5', 'a:b:c:d', '{}'],
  ...[':::', '1:::', '60000000:-1:2:60000000', '60000000:1.5:2:60000000', '60000001:1:2:60000000', '0:1:2:0'],
  ...[`${'9'.repeat(20)}:1:2:60000000`, `60000000:1:2:${'9'.repeat(20)}`, 'x'.repeat(100_000)],
  `${Math.floor(nowMicros() / 60_000_000 + 72 * 366 * 1440) * 60_000_000}:1:2:60000000`,
];

describe.each<[kind: string, policy: Policy, unreadable: [what: string, spoil: Spoil][], readable: RegExp]>([
  ['a log', log, [...ofAnotherType, ...noLogs.map(text)], /^.{28}$/s],
  ['counters', counter, [...ofAnotherType, ...noCounters.map(text)], /^\d{16}:0:6:60000000$/],
])('where %s should be', (_, policy, unreadable, readable) => {
  const key = keyOf(policy);

  test.each(unreadable)('%s counts as a window of which all is taken now', async (_what, spoil) => {
    await spoil(key);
    const reply = await storage.consume(chargeOf(policy));
    expect(reply).toMatchObject({ allowed: false, debtUnits: [policy.capacityUnits] });

    expect((await client.getBuffer(key))?.toString('latin1')).toMatch(readable);
    const expiresAtMicros = (await client.pexpiretime(key)) * 1000;
    expect(expiresAtMicros).toBeGreaterThan(reply.nowMicros + 59_000_000);
    expect(expiresAtMicros).toBeLessThanOrEqual(reply.nowMicros + 120_002_000);
  });

  test.each(unreadable)('%s is replaced by a peek, by a refund and by debt too', async (_what, spoil) => {
    const charges = chargeOf(policy, 2);
    for (const ask of [
      () => storage.peek(charges),
      () => storage.refund(charges, nowMicros() + 1_000_000),
      () => storage.owe([{ ...charges[0]!, debtUnits: policy.tokenUnits }]),
    ]) {
      await client.del(key);
      await spoil(key);
      await ask();
      const { allowed, debtUnits } = await storage.peek(charges);
      expect(allowed).toBe(false);
      expect(debtUnits[0]! / policy.tokenUnits).toBeGreaterThanOrEqual(6);
      expect(debtUnits[0]! / policy.tokenUnits).toBeLessThanOrEqual(7);
    }
  });

  test('it gives no token to the other charges of the request', async () => {
    const other = new Policy({ name: 'other', capacity: 5, perSeconds: 60 });
    await client.rpush(key, '1');
    const reply = await storage.consume([...chargeOf(other), ...chargeOf(policy)]);
    expect(reply).toMatchObject({ allowed: false, debtUnits: [0, policy.capacityUnits] });
    expect(await stateUnder(client, prefix)).not.toContain('other');
  });

  test('one of which all is taken is no unreadable one: its refusal changes no byte', async () => {
    await storage.consume(chargeOf(policy, 6));
    const before = await stateUnder(client, prefix);
    for (const cost of [1, 6, 7]) expect((await storage.consume(chargeOf(policy, cost))).allowed).toBe(false);
    expect(await stateUnder(client, prefix)).toBe(before);
  });
});

test('counters that say more than a bucket can hold say as much as stays exact', async () => {
  const start = Math.floor(nowMicros() / 60_000_000) * 60_000_000;
  await client.set(keyOf(counter), `${start}:${'9'.repeat(30)}:${'9'.repeat(30)}:60000000`);
  const { allowed, debtUnits } = await storage.consume(chargeOf(counter));
  expect(allowed).toBe(false);
  expect(Number.isSafeInteger(debtUnits[0])).toBe(true);
});

test('the state of another algorithm is never met', async () => {
  const bucket = new Policy({ name: 'minute', capacity: 6, perSeconds: 60 });
  for (const policy of [bucket, log, counter]) {
    expect(await storage.consume(chargeOf(policy, 6))).toMatchObject({ allowed: true });
  }
  await client.del(keyOf(bucket));
});
