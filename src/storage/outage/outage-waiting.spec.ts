import { quiet, VirtualTime } from '../../../test/support/virtual-time.js';
import type { Charge } from '../../core/charge.js';
import { StorageFailureError } from '../../core/errors.js';
import { Policy } from '../../core/policy.js';
import { PolicyLimiter } from '../../core/policy-limiter.js';
import { RateLimiter } from '../../core/rate-limiter.js';
import type { StorageReply } from '../../core/storage.js';
import { MemoryStorage } from '../memory/memory.storage.js';
import { OutageStorage } from './outage.storage.js';

const START_MICROS = 1_800_000_000_000_000;
const ALL = 'everyone';
const policy = new Policy({ name: 'carrier', capacity: 2, refillTokens: 2, refillSeconds: 1 });

class Remote extends MemoryStorage {
  isAway = false;

  override consume(charges: readonly Charge[]): StorageReply {
    if (this.isAway) throw new StorageFailureError('away', { isUncharged: true });
    return super.consume(charges);
  }
}

function setUp(instances: number) {
  const time = new VirtualTime(START_MICROS);
  const remote = new Remote({ clock: time });
  const makeMemory = () => new MemoryStorage({ clock: time });
  const storage = new OutageStorage(remote, { onStorageFailure: 'local', instances, makeMemory });
  const limiter = new PolicyLimiter(new RateLimiter(storage), policy, time);
  const wentAt: number[] = [];
  const ask = (signal?: AbortSignal) =>
    limiter.wait(ALL, { signal }).then(
      () => void wentAt.push((time.nowMicros() - START_MICROS) / 1000),
      () => {},
    );
  const tokensOwed = (of = remote) => of.peek([{ policy, subject: ALL, cost: 1 }]).debtUnits[0]! / policy.refillMicros;
  return { time, remote, storage, ask, wentAt, tokensOwed };
}

it('who waits in an outage waits for the share of the instance', async () => {
  const { time, remote, ask, wentAt } = setUp(2);
  remote.isAway = true;
  for (let i = 0; i < 4; i++) void ask();
  await time.passAll();
  expect(wentAt).toEqual([0, 1000, 2000, 3000]);
});

it('all that was promised in it is owed to the storage, also what is still waited for', async () => {
  const { time, remote, ask, wentAt, tokensOwed } = setUp(1);
  remote.isAway = true;
  for (let i = 0; i < 6; i++) void ask();
  await quiet();
  remote.isAway = false;
  void ask();
  await quiet();
  expect(tokensOwed()).toBe(7);
  await time.passAll();
  expect(wentAt).toEqual([0, 0, 500, 1000, 1500, 2000, 2500]);
});

it('who leaves in it is owed no longer', async () => {
  const { time, remote, storage, ask, wentAt, tokensOwed } = setUp(1);
  remote.isAway = true;
  for (let i = 0; i < 4; i++) void ask();
  const leaving = new AbortController();
  void ask(leaving.signal);
  await quiet();
  leaving.abort();
  await quiet();
  void ask();
  remote.isAway = false;
  await quiet();
  void storage.peek([{ policy, subject: ALL, cost: 1 }]);
  expect(tokensOwed()).toBe(5);
  await time.passAll();
  expect(wentAt).toEqual([0, 0, 500, 1000, 1500]);
});
