import { MemoryStorage } from '../storage/memory/memory.storage.js';
import { OutageStorage } from '../storage/outage/outage.storage.js';
import { ManualClock } from '../testing/manual-clock.js';
import { StorageFailureError } from './errors.js';
import { Policy } from './policy.js';
import { RateLimiter } from './rate-limiter.js';
import { RateLimitStorage, type StorageReply } from './storage.js';

const burst = new Policy({ name: 'burst', capacity: 2, perSeconds: 60 });
const daily = new Policy({ name: 'daily', capacity: 3, perSeconds: 86_400, place: 'Reports' });
const ZERO = { allowed: 0, denied: 0, withoutStorage: 0, failed: 0 };

const makeLimiter = (policies: readonly Policy[] = []) =>
  new RateLimiter(new MemoryStorage({ clock: new ManualClock() }), policies);

/** A storage that fails in its way. */
class Failing extends RateLimitStorage {
  constructor(private readonly fail: () => StorageReply | Promise<StorageReply>) {
    super();
  }

  override consume = () => this.fail();
  override peek = () => this.fail();
  override refund(): void {}
  override grant(): void {}
  override reset(): void {}
}

describe('counts of a RateLimiter', () => {
  it('begin with the declared policies at zero', () => {
    const limiter = makeLimiter([burst]);
    limiter.declare([daily, burst]);
    expect(limiter.counts).toEqual([
      { policy: 'burst', place: '', ...ZERO },
      { policy: 'daily', place: 'Reports', ...ZERO },
    ]);
  });

  it('tell allowed from denied, by policy or by name, whatever the subject and the cost', () => {
    const limiter = makeLimiter([burst]);
    void limiter.consume({ policy: 'burst', subject: 'user:1', cost: 2 });
    void limiter.consume({ policy: burst, subject: 'user:1' });
    void limiter.consume({ policy: burst, subject: 'user:2' });
    expect(limiter.counts).toEqual([{ policy: 'burst', place: '', ...ZERO, allowed: 2, denied: 1 }]);
  });

  it('lay a denial at the door of the policies that refuse', () => {
    const limiter = makeLimiter();
    const both = [burst, daily].map((policy) => ({ policy, subject: 'user:1' }));
    for (let i = 0; i < 3; i++) void limiter.consume(both);
    expect(limiter.counts).toEqual([
      { policy: 'burst', place: '', ...ZERO, allowed: 2, denied: 1 },
      { policy: 'daily', place: 'Reports', ...ZERO, allowed: 2 },
    ]);
  });

  it('count charges on one bucket of one question once', () => {
    const limiter = makeLimiter();
    void limiter.consume([
      { policy: burst, subject: 'user:1' },
      { policy: burst, subject: 'user:1' },
    ]);
    expect(limiter.counts).toMatchObject([{ allowed: 1 }]);
  });

  it('do not count peek, refund and reset, and nothing lowers them', () => {
    const limiter = makeLimiter();
    const decision = limiter.consume({ policy: burst, subject: 'user:1' });
    if (decision instanceof Promise) throw new Error('Memory answers at once.');
    void limiter.peek({ policy: burst, subject: 'user:1' });
    void limiter.refund(decision.receipts[0]!);
    void limiter.reset({ policy: burst, subject: 'user:1' });
    expect(limiter.counts).toMatchObject([{ ...ZERO, allowed: 1 }]);
  });

  it('are a copy', () => {
    const limiter = makeLimiter([burst]);
    const before = limiter.counts;
    void limiter.consume({ policy: burst, subject: 'user:1' });
    expect([before[0]!.allowed, limiter.counts[0]!.allowed]).toEqual([0, 1]);
  });

  it('count policies of one id together, in whatever order they take turns', () => {
    const limiter = makeLimiter();
    const tiers = [1, 2, 3].map((capacity) => new Policy({ name: 'tier', place: 'x', capacity, perSeconds: 60 }));
    for (let i = 0; i < 30; i++) void limiter.consume({ policy: tiers[i % 3]!, subject: `user:${i}` });
    for (let i = 0; i < 5; i++) void limiter.consume({ policy: burst, subject: `user:${i}` });
    expect(limiter.counts.map(({ policy, allowed }) => [policy, allowed])).toEqual([
      ['tier', 30],
      ['burst', 5],
    ]);
  });

  it('do not grow with policies that are made for each subject', () => {
    const limiter = makeLimiter([burst]);
    for (let i = 0; i < 5000; i++) {
      void limiter.consume({ policy: new Policy({ name: `p${i}`, capacity: 1, perSeconds: 60 }), subject: 'user:1' });
      void limiter.consume({ policy: new Policy({ name: `p${i}`, capacity: 1, perSeconds: 60 }), subject: 'user:1' });
    }
    const late = new Policy({ name: 'late', capacity: 1, perSeconds: 60 });
    limiter.declare([late]);
    void limiter.consume({ policy: late, subject: 'user:1' });
    const { counts } = limiter;
    expect(counts).toHaveLength(1 + 1000 + 1 + 1);
    expect(counts[1]).toMatchObject({ policy: 'p0', allowed: 1, denied: 1 });
    expect(counts.at(-2)).toMatchObject({ policy: 'late', allowed: 1 });
    expect(counts.at(-1)).toEqual({ policy: '(others)', place: '', ...ZERO, allowed: 4000, denied: 4000 });
  });

  it('tell what was decided without the storage, under the policy that was asked for', async () => {
    const away = new Failing(() => Promise.reject(new StorageFailureError('away', { isUncharged: true })));
    const limiter = new RateLimiter(new OutageStorage(away, { onStorageFailure: 'local', instances: 2 }), [burst]);
    await limiter.consume({ policy: burst, subject: 'user:1' });
    await limiter.consume({ policy: burst, subject: 'user:1' });
    expect(limiter.counts).toEqual([
      { policy: 'burst', place: '', allowed: 1, denied: 1, withoutStorage: 2, failed: 0 },
    ]);
  });

  it.each([
    ['rejects', () => Promise.reject(new StorageFailureError('away'))],
    [
      'throws',
      () => {
        throw new StorageFailureError('away');
      },
    ],
  ])('tell what nobody decided, where the storage %s', async (_how, fail) => {
    const limiter = new RateLimiter(new Failing(fail), [burst]);
    const ask = async () => limiter.consume([burst, daily].map((policy) => ({ policy, subject: 'user:1' })));
    await expect(ask()).rejects.toThrow('away');
    expect(limiter.counts).toMatchObject([
      { ...ZERO, failed: 1 },
      { ...ZERO, failed: 1 },
    ]);
  });

  it('do not count mistakes of the program', async () => {
    const limiter = new RateLimiter(new Failing(() => Promise.reject(new TypeError('a mistake'))), [burst]);
    await expect(limiter.consume({ policy: burst, subject: 'user:1' })).rejects.toThrow('a mistake');
    expect(() => limiter.consume({ policy: burst, subject: '' })).toThrow('subject');
    expect(limiter.counts).toMatchObject([ZERO]);
  });
});
