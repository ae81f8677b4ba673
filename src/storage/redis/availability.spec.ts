import { Availability } from './availability.js';
import type { RedisAvailability } from './redis.options.js';

let lines: string[];
let changes: RedisAvailability[];
let availability: Availability;

beforeEach(() => {
  lines = [];
  changes = [];
  availability = new Availability(
    { warn: (line) => lines.push(line.replace('RedisStorage: ', '')) },
    (change) => void changes.push(change),
  );
});

test('every node speaks for itself, and the whole for itself', () => {
  availability.lostNode('a:1', 'silence');
  availability.lostNode('b:1', 'refused');
  availability.regainedNode('a:1');
  expect(availability.isUp).toBe(true);
  availability.lost('connection', 'closed');
  expect(availability.isUp).toBe(false);
  availability.regainedNode('b:1');
  expect(availability.isUp).toBe(false);
  availability.regained('connection');
  expect(availability.isUp).toBe(true);

  const meanwhile = 'Until it is back, limits of the subjects that it keeps follow their onStorageFailure.';
  expect(lines).toEqual([
    `The Redis node a:1 is away (silence). ${meanwhile}`,
    `The Redis node b:1 is away (refused). ${meanwhile}`,
    'The Redis node a:1 is back, or another has its slots.',
    'Redis is away (closed). Until it is back, every limit follows its onStorageFailure.',
    'The Redis node b:1 is back, or another has its slots.',
    'Redis is back.',
  ]);
  expect(changes).toEqual([
    { available: false, reason: 'silence', node: 'a:1' },
    { available: false, reason: 'refused', node: 'b:1' },
    { available: true, reason: '', node: 'a:1' },
    { available: false, reason: 'closed' },
    { available: true, reason: '', node: 'b:1' },
    { available: true, reason: '' },
  ]);
});

test('the whole is away once, whatever else is found to be in the way', () => {
  availability.lost('answers', 'silence');
  availability.lost('connection', 'closed');
  availability.regained('answers');
  expect(availability.isUp).toBe(false);
  availability.regained('connection');
  availability.regained('connection');
  expect(changes).toEqual([
    { available: false, reason: 'silence' },
    { available: true, reason: '' },
  ]);
  expect(lines).toHaveLength(2);
});
