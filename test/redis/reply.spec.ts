import { StorageFailureError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import { toStorageReply } from '../../src/storage/redis/reply.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { greet, startFakeRedis } from '../support/redis-fake-server.js';

const policy = new Policy({ capacity: 5, perSeconds: 60 });
const charges = (count: number) => Array.from({ length: count }, (_, i) => ({ policy, subject: `user:${i}`, cost: 1 }));

test('a reply is the decision, the time and the debts', () => {
  expect(toStorageReply([1, 1_795_000_000_000_000, 5, 0], charges(2))).toEqual({
    allowed: true,
    nowMicros: 1_795_000_000_000_000,
    debtUnits: [5, 0],
  });
  expect(toStorageReply([0, 1, 2 ** 51], charges(1))).toEqual({ allowed: false, nowMicros: 1, debtUnits: [2 ** 51] });
  expect(toStorageReply(['1', '1795000000000000', '7'], charges(1))).toEqual({
    allowed: true,
    nowMicros: 1_795_000_000_000_000,
    debtUnits: [7],
  });
});

test.each<[what: string, raw: unknown]>([
  ['null', null],
  ['undefined', undefined],
  ['a number', 1],
  ['text', 'OK'],
  ['an object', { 0: 1, 1: 2, 2: 3, length: 3 }],
  ['a map', new Map()],
  ['an empty list', []],
  ['a list that is too short', [1, 2]],
  ['a list that is too long', [1, 2, 3, 4]],
  ['another decision', [2, 2, 3]],
  ['a boolean decision', [true, 2, 3]],
  ['a fraction', [1, 2, 3.5]],
  ['a negative debt', [1, 2, -3]],
  ['a negative time', [1, -2, 3]],
  ['a debt that is not exact', [1, 2, 2 ** 53]],
  ['a debt in a bigint', [1, 2, 3n]],
  ['NaN', [1, 2, NaN]],
  ['infinity', [1, Infinity, 3]],
  ['no time', [1, null, 3]],
  ['a list in a list', [[1, 2, 3]]],
  ['text that is no number', [1, '2 ', 3]],
  ['text of a huge number', [1, 2, '9'.repeat(17)]],
])('%s is no reply', (_, raw) => {
  expect(() => toStorageReply(raw, charges(1))).toThrow(StorageFailureError);
  expect(() => toStorageReply(raw, charges(1))).toThrow(/^Redis replied .*; expected 3 integers from its script\.$/);
});

test('a server that replies nonsense is a failed storage', async () => {
  const replies = [
    '+OK\r\n',
    '*0\r\n',
    '*3\r\n:1\r\n:2\r\n$1\r\nx\r\n',
    '$-1\r\n',
    '-ERR anything\r\n',
    '-OOM full\r\n',
  ];
  let next = 0;
  const server = await startFakeRedis((command) => {
    if (command === 'EVAL') return '$-1\r\n'; // the probe
    if (command !== 'EVALSHA') return greet(command);
    return next++ % 2 === 0 ? replies[(next - 1) / 2]! : '*3\r\n:1\r\n:1\r\n:0\r\n';
  });
  const storage = new RedisStorage({ url: server.url, deadlineMs: 5000 });
  await storage.open();
  next = 0;
  const charges = [{ policy: new Policy({ capacity: 5, perSeconds: 60 }), subject: 'user:1', cost: 1 }];
  for (const reply of replies) {
    const error: unknown = await Promise.resolve(storage.consume(charges)).then(
      () => `accepted ${reply}`,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(StorageFailureError);
    // Between two that make no sense, or the storage would soon ask no more.
    await expect(storage.consume(charges)).resolves.toMatchObject({ allowed: true });
  }
  await storage.close();
  await server.stop();
});
