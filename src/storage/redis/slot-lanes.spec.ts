import { Policy } from '../../core/policy.js';
import { Availability } from './availability.js';
import { type Batch, Decision } from './batch.js';
import { Deadline } from './deadline.js';
import { SlotLanes } from './slot-lanes.js';

const policy = new Policy({ capacity: 1000, perSeconds: 3600 });
const bucket = { policy, subject: 'user:1' };

let node: string;
let underWay: Batch[];
let lines: string[];
let lanes: SlotLanes;

beforeEach(() => {
  node = 'a:1';
  underWay = [];
  lines = [];
  lanes = new SlotLanes({
    keyOf: ({ subject }) => subject,
    denials: undefined,
    availability: new Availability({ warn: (line) => lines.push(line) }, undefined),
    deadlineMs: 10_000,
    send: (batch) => {
      batch.message();
      underWay.push(batch);
    },
    probe: () => new Promise(() => {}),
    nodeOf: () => node,
    refreshSlots: () => {},
    deadline: new Deadline(10_000),
    asker: { consume: neverAsked, peek: neverAsked, giveBack: neverAsked },
  });
});
afterEach(() => lanes.stop());

function neverAsked(): never {
  throw new Error('not to be asked');
}

/** Asks, and waits until that has been sent. */
async function ask(times = 1): Promise<void> {
  for (let i = 0; i < times; i++) {
    lanes.add(
      new Decision(
        [{ ...bucket, cost: 1 }],
        () => {},
        () => {},
      ),
    );
  }
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

test('who fails is the node that was asked, also where something is always under way while its slot moves', async () => {
  await ask();
  const fromA = underWay.shift()!;
  node = 'b:1';
  await ask(5);
  underWay.shift()!.fail(new Error('silence'));
  expect(lines).toEqual([expect.stringMatching(/The Redis node b:1 is away \(silence\)/)]);
  expect(lanes.breakerOf(bucket).isOpen).toBe(true);

  // What the one before says is said of that one.
  fromA.fail(new Error('silence'));
  node = 'a:1';
  expect(lanes.breakerOf(bucket)).toMatchObject({ isOpen: false, isInDoubt: true });
});
