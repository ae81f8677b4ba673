import { ALGORITHMS } from '../../core/algorithm.js';
import { StorageFailureError } from '../../core/errors.js';
import { Policy } from '../../core/policy.js';
import { RateLimiter } from '../../core/rate-limiter.js';
import type { Decision } from '../../core/decision.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { MemoryStorage } from '../memory/memory.storage.js';
import { OutageStorage } from './outage.storage.js';

/** Memory that can be away. */
class Fallible extends MemoryStorage {
  isAway = false;

  override get isAvailable(): boolean {
    return !this.isAway;
  }

  override consume(...args: Parameters<MemoryStorage['consume']>) {
    if (this.isAway) throw new StorageFailureError('away', { isUncharged: true });
    return super.consume(...args);
  }
}

describe.each(ALGORITHMS)('%s in an outage', (algorithm) => {
  const policy = new Policy({ name: 'calls', capacity: 6, perSeconds: 60, algorithm });
  const charge = { policy, subject: 'user:1' };

  function start(instances: number) {
    const clock = new ManualClock();
    const storage = new Fallible({ clock });
    const outage = new OutageStorage(storage, {
      onStorageFailure: 'local',
      instances,
      makeMemory: () => new MemoryStorage({ clock }),
    });
    const limiter = new RateLimiter(outage);
    const admitted = (tries = 20) =>
      Array.from({ length: tries }, () => limiter.consume(charge) as Decision).filter(({ allowed }) => allowed).length;
    const owed = () => storage.peek([{ ...charge, cost: 1 }]).debtUnits[0]! / policy.tokenUnits;
    return { clock, storage, limiter, admitted, owed };
  }

  it('gives out its share, and the storage counts it when it is back, once', () => {
    const { storage, limiter, admitted, owed } = start(2);
    storage.isAway = true;
    const share = Math.max(1, Math.floor(policy.capacity / 2));
    expect(admitted()).toBe(share);
    storage.isAway = false;
    void limiter.peek(charge);
    expect(owed()).toBe(share);
    expect(admitted()).toBe(policy.capacity - share);
    expect(owed()).toBe(policy.capacity);
    expect(admitted()).toBe(0);
  });

  it('a part of a token that is still owed counts as far as the storage can tell', () => {
    const { clock, storage, limiter, admitted, owed } = start(1);
    storage.isAway = true;
    expect(admitted()).toBe(policy.capacity);
    clock.advanceMs(policy.capacity === 1 ? 5000 : 15_000);
    storage.isAway = false;
    void limiter.peek(charge);
    const exact = policy.capacity === 1 ? 0.5 : 4.5;
    expect(owed()).toBe(policy.windowMicros > 0 ? Math.ceil(exact) : exact);
  });

  it('a reset forgets what is owed too', () => {
    const { storage, limiter, admitted, owed } = start(1);
    storage.isAway = true;
    expect(admitted()).toBe(policy.capacity);
    storage.isAway = false;
    void limiter.reset(charge);
    void limiter.peek(charge);
    expect(owed()).toBe(0);
    storage.isAway = true;
    expect(admitted()).toBe(policy.capacity);
  });

  it('what was given out in it can be given back', () => {
    const { storage, limiter, admitted, owed } = start(1);
    storage.isAway = true;
    const { receipts } = limiter.consume(charge) as Decision;
    void limiter.refund(receipts[0]!);
    expect(admitted()).toBe(policy.capacity);
    storage.isAway = false;
    void limiter.peek(charge);
    expect(owed()).toBe(policy.capacity);
  });
});
