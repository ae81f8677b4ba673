import { Policy } from '../../src/core/policy.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { deleteUnder, plainClient, stateUnder, uniquePrefix } from '../support/redis-testing.js';

const prefix = uniquePrefix();
const client = plainClient();
const storage = new RedisStorage({ client, prefix, deadlineMs: 5000, denyCache: false });
const key = `${prefix}{user:1}minute`;
const minute = new Policy({ name: 'minute', capacity: 6, perSeconds: 60 });
const sevenths = new Policy({ name: 'minute', capacity: 7, perSeconds: 60 });
const steps = new Policy({ name: 'minute', capacity: 6, perSeconds: 60, refillEverySeconds: 20 });
const chargeOf = (policy: Policy, cost = 1) => [{ policy, subject: 'user:1', cost }];
const microsAhead = (seconds: number) => (Date.now() + seconds * 1000) * 1000;

beforeAll(() => storage.open());
beforeEach(() => client.del(key));
afterAll(async () => {
  await storage.close();
  await deleteUnder(client, prefix);
  await client.quit();
});

const unreadable: [what: string, spoil: () => Promise<unknown>][] = [
  ['a list', () => client.rpush(key, '1')],
  ['a hash', () => client.hset(key, 'q', '1')],
  ['a set', () => client.sadd(key, '1')],
  ['a sorted set', () => client.zadd(key, 1, '1')],
  ['a stream', () => client.xadd(key, '*', 'q', '1')],
  ...[
    ...['', ' ', 'nan', 'NaN', '-nan', 'inf', '-inf', 'infinity', 'text', 'true', 'null', '{}', '\0', '\ud800'],
    ...['-1', '-1795000000000000', '0.5', '1e400', '-1e400', '1795000000000000.25', '0x'],
    ...['9007199254740993', '9223372036854775807', '1e300', String(2 ** 52), String(microsAhead(72 * 366 * 86_400))],
    ...[':', '::', '1:', '1:2', '1:2:', ':2:3', '1:2:3:4', 'a:b:c', '-1:2:3', '1:-2:3', '1:2:-3', '1.5:2:3', '1:nan:7'],
    ...['99999999999999999999:3:7', `${microsAhead(72 * 366 * 86_400)}:3:7`, 'x'.repeat(100_000)],
  ].map((text): [string, () => Promise<unknown>] => [JSON.stringify(text).slice(0, 40), () => client.set(key, text)]),
];

describe.each(unreadable)('%s where a state should be', (_, spoil) => {
  // A remainder that cannot be one (of 7ths: 9) and a state for the wrong refill are covered where they are readable.
  test.each([
    ['evenly', minute],
    ['with a remainder', sevenths],
    ['in steps', steps],
  ])('counts as an empty bucket that refills, %s', async (_, policy) => {
    await spoil();
    const reply = await storage.consume(chargeOf(policy));
    expect(reply).toMatchObject({ allowed: false, debtUnits: [policy.capacityUnits] });

    // What stands there now is a state as the script writes it, of an empty bucket, and it goes when that is full.
    expect(await client.get(key)).toMatch(/^\d{16}(:\d+:\d+)?$/);
    const expiresAtMs = await client.pexpiretime(key);
    expect(expiresAtMs * 1000).toBeGreaterThan(reply.nowMicros + 39_000_000);
    expect(expiresAtMs * 1000).toBeLessThanOrEqual(reply.nowMicros + 60_002_000);
    const later = await storage.peek(chargeOf(policy));
    expect(later.debtUnits[0]).toBeLessThanOrEqual(policy.capacityUnits);
    expect(later.debtUnits[0]).toBeGreaterThan(0);
  });

  test('is replaced by a peek and by a refund too', async () => {
    await spoil();
    expect(await storage.peek(chargeOf(minute))).toMatchObject({ allowed: false, debtUnits: [minute.capacityUnits] });
    expect(await client.get(key)).toMatch(/^\d{16}$/);

    await client.del(key);
    await spoil();
    await storage.refund(chargeOf(minute, 2), microsAhead(1));
    const { debtUnits } = await storage.peek(chargeOf(minute));
    expect(Math.ceil(debtUnits[0]! / minute.refillMicros)).toBe(4);
  });

  test('gives no token to the other charges of the request', async () => {
    const other = new Policy({ name: 'other', capacity: 5, perSeconds: 60 });
    const charges = [...chargeOf(other), ...chargeOf(minute)];
    await spoil();
    expect(await storage.consume(charges)).toMatchObject({ allowed: false, debtUnits: [0, minute.capacityUnits] });
    expect(await stateUnder(client, prefix)).not.toContain('other');
  });
});

test.each(['0', '5', '1e3', '0x10', '1:2:7', '1:2:11', '1795000000000000'])(
  '%s is an instant that has passed, so the bucket is full',
  async (text) => {
    await client.set(key, text);
    expect(await storage.consume(chargeOf(sevenths, 7))).toMatchObject({
      allowed: true,
      debtUnits: [sevenths.capacityUnits],
    });
    expect(await client.pttl(key)).toBeGreaterThan(0);
  },
);

test('a bucket that is just empty is no unreadable one: its refusal changes no byte', async () => {
  for (const policy of [minute, sevenths, steps]) {
    await client.del(key);
    await storage.consume(chargeOf(policy, policy.capacity));
    const before = await stateUnder(client, prefix);
    expect((await storage.consume(chargeOf(policy, policy.capacity))).allowed).toBe(false);
    expect(await stateUnder(client, prefix)).toBe(before);
  }
});

test.each([
  ['', 0],
  [':3:7', 3],
  [':3:11', 7],
])('a state that is only too far ahead for this policy is kept, and told exactly (q%s)', async (rest, moreUnits) => {
  const arrival = microsAhead(3600);
  await client.set(key, `${arrival}${rest}`, 'PXAT', Math.floor(arrival / 1000) + 1);
  const before = await stateUnder(client, prefix);
  for (const reply of [await storage.consume(chargeOf(sevenths)), await storage.peek(chargeOf(sevenths))]) {
    expect(reply.allowed).toBe(false);
    expect(reply.debtUnits).toEqual([(arrival - reply.nowMicros) * sevenths.refillTokens + moreUnits]);
  }
  expect(await stateUnder(client, prefix)).toBe(before);
});
