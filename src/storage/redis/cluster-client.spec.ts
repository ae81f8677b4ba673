import type { RedisClient } from './client.js';
import { nodeOf } from './cluster-client.js';

const clientOf = (natMap: unknown) =>
  ({ slots: [['10.0.0.1:6379', '10.0.0.4:6379'], ['localhost:7000']], options: { natMap } }) as unknown as RedisClient;

test.each<[what: string, natMap: unknown, nodes: readonly (string | undefined)[]]>([
  ['as it is', undefined, ['10.0.0.1:6379', 'localhost:7000', undefined]],
  [
    'translated',
    { '10.0.0.1:6379': { host: 'localhost', port: 7000 } },
    ['localhost:7000', 'localhost:7000', undefined],
  ],
  ['of others alone', { '10.0.0.2:6379': { host: 'b', port: 1 } }, ['10.0.0.1:6379', 'localhost:7000', undefined]],
  [
    'by a function, which may have been called already',
    () => ({ host: 'b', port: 1 }),
    ['10.0.0.1:6379', 'localhost:7000', undefined],
  ],
])('the master of a slot has one address: %s', (_, natMap, nodes) => {
  expect([0, 1, 2].map((slot) => nodeOf(clientOf(natMap), slot))).toEqual(nodes);
});
