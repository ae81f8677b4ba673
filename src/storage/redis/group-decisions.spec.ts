import type { Charge } from '../../core/charge.js';
import { Policy } from '../../core/policy.js';
import { Breaker } from './breaker.js';
import { Deadline } from './deadline.js';
import { DenyCache } from './deny-cache.js';
import { GroupDecisions } from './group-decisions.js';
import type { Group, GroupAsker } from './groups.js';

const DEADLINE_MS = 10_000;

/** One subject each, of which no two are in one slot. */
const [few, some, many] = [3, 20, 1000].map((capacity) => {
  const policy = new Policy({ name: `of-${capacity}`, capacity, refillTokens: 1, refillSeconds: 86_400 });
  return { policy, subject: `user:${capacity}`, cost: 1 };
}) as [Charge, Charge, Charge];

let asked: string[];
let breakers: Map<string, Breaker>;
let denials: DenyCache;
let failing: Set<Charge>;

beforeEach(() => {
  asked = [];
  failing = new Set();
  denials = new DenyCache();
  breakers = new Map();
});
afterEach(() => {
  for (const breaker of breakers.values()) breaker.stop();
});

function breakerOf({ subject }: Pick<Charge, 'subject'>): Breaker {
  const breaker = breakers.get(subject) ?? new Breaker({ probe: () => new Promise(() => {}), onChange: () => {} });
  breakers.set(subject, breaker);
  return breaker;
}

/** Sends what is asked nowhere; each group is admitted unless it is one of those that fail. */
const asker: GroupAsker = {
  consume: (group) => {
    asked.push(`take ${named(group)}`);
    if (group.some((charge) => failing.has(charge))) throw new Error('silence');
    return denials.replyTo(group) ?? { allowed: true, nowMicros: 1, debtUnits: group.map(() => 0) };
  },
  peek: (charges) => {
    asked.push(`peek ${named(charges)}`);
    return Promise.resolve({ allowed: true, nowMicros: 1, debtUnits: charges.map(() => 0) });
  },
  giveBack: (group) => void asked.push(`give back ${named(group)}`),
};

function named(group: Group): string {
  return group.map(({ policy }) => policy.name).join('+');
}

function decide(...charges: readonly Charge[]) {
  return new GroupDecisions(asker, denials, new Deadline(DEADLINE_MS), breakerOf).decide(charges);
}

test.each([
  [many, some, few],
  [few, some, many],
  [some, few, many],
])('what denies most often is asked first, in whatever order it is named', async (...charges) => {
  await decide(...charges);
  expect(asked).toEqual(['take of-3', 'take of-20', 'take of-1000']);
});

test('of several charges on one node the smallest capacity counts', async () => {
  await decide(some, { ...many, subject: few.subject }, few);
  expect(asked).toEqual(['take of-1000+of-3', 'take of-20']);
});

test('a node that is in doubt is asked before those from which something would be taken', async () => {
  breakerOf(many).failed('silence');
  failing.add(many);
  await expect(decide(few, some, many)).rejects.toThrow('silence');
  expect(asked).toEqual(['take of-1000']);

  breakerOf(many).reset();
  failing.clear();
  asked = [];
  await decide(few, some, many);
  expect(asked).toEqual(['take of-3', 'take of-20', 'take of-1000']);
});

test('what is known to be denied is denied first, even where a node is in doubt', async () => {
  const { policy } = some;
  denials.remember(
    [some],
    { allowed: false, nowMicros: 1, debtUnits: [20 * policy.tokenUnits] },
    [],
    performance.now(),
  );
  breakerOf(many).failed('silence');
  expect(await decide(few, some, many)).toMatchObject({ allowed: false });
  expect(asked).toEqual(['take of-20', 'peek of-1000+of-3']);
});

test.each([few, some, many])('no node is asked while one of them is known to be away', async (away) => {
  breakerOf(away).open('silence');
  await expect(decide(few, some, many)).rejects.toMatchObject({
    message: 'Redis is not asked, because it stopped answering: silence',
    isUncharged: true,
  });
  expect(asked).toEqual([]);
});
