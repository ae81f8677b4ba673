import { ManualClock } from '../../testing/manual-clock.js';
import { MemoryStorage } from '../../storage/memory/memory.storage.js';
import { InvalidChargeError, RateLimitConfigurationError } from '../errors.js';
import { Policy } from '../policy.js';
import { RateLimiter } from '../rate-limiter.js';
import { RateLimitStorage } from '../storage.js';
import type { Timers } from '../timers.js';
import { EVERY_SUBJECT } from './override.js';
import { InvalidOverrideError, TooManyOverridesError } from './override-errors.js';
import { MAX_OVERRIDES } from './override-store.js';
import { RateLimitOverrides } from './rate-limit-overrides.js';

const jobs = new Policy({ name: 'jobs', capacity: 3, perSeconds: 3, message: 'Too many jobs.' });
const exports_ = new Policy({ name: 'exports', capacity: 2, perSeconds: 60 });
const log = new Policy({ name: 'log', capacity: 5, perSeconds: 60, algorithm: 'sliding-window-log' });
const ADA = 'user:ada';
const BOB = 'user:bob';

let clock: ManualClock;
let storage: MemoryStorage;
let limiter: RateLimiter;
let limits: RateLimitOverrides;
let warnings: string[];

/** Another application in this process, on the same storage. */
function instance(timers?: Timers) {
  const limiter = new RateLimiter(storage, [jobs, exports_, log], { overrides: true });
  const warn = (message: string) => void warnings.push(message);
  return { limiter, limits: new RateLimitOverrides(limiter, {}, { ...(timers && { timers }), warn }) };
}

beforeEach(() => {
  clock = new ManualClock();
  storage = new MemoryStorage({ clock });
  warnings = [];
  ({ limiter, limits } = instance());
});

const admitted = async (policy: Policy | string, subject: string, tries = 20) => {
  let count = 0;
  for (let i = 0; i < tries; i++) if ((await limiter.consume({ policy, subject })).allowed) count++;
  return count;
};

describe('a limit that is changed', () => {
  it('counts at once, for that subject only, and is told of with its numbers', async () => {
    await limits.set('jobs', ADA, { capacity: 5, perSeconds: 5 });
    const decision = await limiter.consume({ policy: 'jobs', subject: ADA });
    expect(decision).toMatchObject({ allowed: true, remaining: 4, isBlocked: false });
    expect(decision.mostRestrictive.policy).toMatchObject({ id: 'jobs', capacity: 5, message: 'Too many jobs.' });
    expect(await admitted('jobs', ADA)).toBe(4);
    expect(await admitted('jobs', BOB)).toBe(3);
  });

  it('keeps the instant at which the bucket is full: what it owes is read with the new numbers', async () => {
    expect(await admitted('jobs', ADA)).toBe(3);
    await limits.set('jobs', ADA, { capacity: 30, perSeconds: 3 });
    // Full in 3 s as before, which now is empty; at ten times the rate.
    expect(await limits.peek('jobs', ADA)).toMatchObject({ remaining: 0, resetAfterMs: 3000, retryAfterMs: 100 });
    await limits.set('jobs', ADA, { capacity: 30, perSeconds: 30 });
    expect(await limits.peek('jobs', ADA)).toMatchObject({ remaining: 27, resetAfterMs: 3000 });
    await limits.set('jobs', ADA, { capacity: 1, perSeconds: 1 });
    expect(await limits.peek('jobs', ADA)).toMatchObject({ allowed: false, resetAfterMs: 3000, retryAfterMs: 3000 });
  });

  it('is as it was declared once the override is removed, or over', async () => {
    await limits.set('jobs', ADA, { capacity: 9, perSeconds: 9 });
    expect(await limits.remove('jobs', ADA)).toBe(true);
    expect(await limits.remove('jobs', ADA)).toBe(false);
    expect(await limits.peek('jobs', ADA)).toMatchObject({ remaining: 3 });
    await limits.set('jobs', ADA, { capacity: 9, perSeconds: 9, expiresInSeconds: 10 });
    clock.advanceMicros(9_999_999);
    expect(await limits.peek('jobs', ADA)).toMatchObject({ remaining: 9 });
    clock.advanceMicros(1);
    expect(await limits.peek('jobs', ADA)).toMatchObject({ remaining: 3 });
    expect(await limits.list()).toEqual([]);
    expect(await limits.remove('jobs', ADA)).toBe(false);
  });

  it('of every subject gives way to one of its own', async () => {
    await limits.set('jobs', EVERY_SUBJECT, { capacity: 1, perSeconds: 60 });
    await limits.set('jobs', ADA, { capacity: 2, perSeconds: 60 });
    expect([await admitted('jobs', ADA), await admitted('jobs', BOB), await admitted('exports', BOB)]).toEqual([
      2, 1, 2,
    ]);
    expect(await limits.remove('jobs', ADA)).toBe(true);
    expect((await limits.peek('jobs', ADA)).mostRestrictive.policy.capacity).toBe(1);
    expect(await limits.remove('jobs', EVERY_SUBJECT)).toBe(true);
    expect((await limits.peek('jobs', ADA)).mostRestrictive.policy.capacity).toBe(3);
  });

  it('is listed with when it ends', async () => {
    await limits.set('jobs', ADA, { capacity: 9, perSeconds: 9, reason: 'a good customer' });
    await limits.set('exports', EVERY_SUBJECT, {
      capacity: 5,
      refillTokens: 1,
      refillSeconds: 9,
      expiresInSeconds: 60,
    });
    clock.advanceMs(20_500);
    expect(await limits.list()).toEqual([
      { policy: 'jobs', subject: ADA, capacity: 9, perSeconds: 9, reason: 'a good customer' },
      { policy: 'exports', subject: undefined, capacity: 5, refillTokens: 1, refillSeconds: 9, expiresInMs: 39_500 },
    ]);
    expect(await limits.blocked()).toEqual([]);
  });

  it('may be one that code made, or that a decision told of', async () => {
    const own = new Policy({ name: 'own', place: 'code', capacity: 1, perSeconds: 1 });
    await limits.set(own, ADA, { capacity: 4, perSeconds: 4 });
    const decision = await limiter.consume({ policy: own, subject: ADA });
    expect(decision.remaining).toBe(3);
    await limits.set('jobs', ADA, { capacity: 8, perSeconds: 8 });
    const { policy } = (await limiter.consume({ policy: 'jobs', subject: ADA })).mostRestrictive;
    expect(await limiter.peek({ policy, subject: ADA })).toMatchObject({ remaining: 7 });
    await limits.remove('jobs', ADA);
    expect((await limiter.peek({ policy, subject: ADA })).mostRestrictive.policy).toBe(jobs);
  });

  it('counts for each of several charges, and what was charged is given back by its receipt', async () => {
    await limits.set('exports', ADA, { capacity: 4, perSeconds: 60 });
    const charges = [
      { policy: 'jobs', subject: ADA },
      { policy: 'exports', subject: ADA, cost: 4 },
    ];
    const decision = await limiter.consume(charges);
    expect(decision.policies.map(({ remaining }) => remaining)).toEqual([2, 0]);
    expect((await limiter.consume(charges)).allowed).toBe(false);
    for (const receipt of decision.receipts) await limiter.refund(receipt);
    expect(await limits.peek('exports', ADA)).toMatchObject({ remaining: 4 });
  });

  it.each(['token-bucket', 'fixed-window', 'leaky-bucket', 'sliding-window-log', 'sliding-window-counter'] as const)(
    'keeps its algorithm: %s',
    async (algorithm) => {
      const policy = new Policy({ name: 'any', place: 'code', capacity: 2, perSeconds: 60, algorithm });
      await limits.set(policy, ADA, { capacity: 6, perSeconds: 60 });
      const decision = await limiter.consume({ policy, subject: ADA });
      expect(decision.mostRestrictive.policy).toMatchObject({ algorithm, quota: 6, stateId: policy.stateId });
    },
  );
});

describe('a subject that is blocked', () => {
  it('is refused without a charge, with the wait until the block ends', async () => {
    await limits.block(ADA, { expiresInSeconds: 60 });
    const asked = jest.spyOn(storage, 'consume');
    const decision = await limiter.consume({ policy: 'jobs', subject: ADA });
    expect(decision).toMatchObject({
      allowed: false,
      isBlocked: true,
      retryAfterMs: 60_000,
      remaining: 0,
      receipts: [],
    });
    expect(asked).not.toHaveBeenCalled();
    expect(await limits.peek('jobs', ADA)).toMatchObject({ allowed: false, isBlocked: true });
    clock.advanceMicros(60_000_000);
    expect(await limits.peek('jobs', ADA)).toMatchObject({ allowed: true, remaining: 3, isBlocked: false });
  });

  it('has every question denied that it is part of, and only its policies are told of', async () => {
    await limits.block(ADA);
    const decision = await limiter.consume([
      { policy: 'exports', subject: BOB },
      { policy: 'jobs', subject: ADA, cost: 2 },
    ]);
    expect(decision).toMatchObject({ allowed: false, isBlocked: true, retryAfterMs: Infinity });
    expect(decision.policies).toMatchObject([{ subject: ADA, cost: 2, allowed: false, isBlocked: true }]);
    expect(await admitted('exports', BOB)).toBe(2);
  });

  it('is one again when it is unblocked', async () => {
    await limits.block(ADA, { reason: 'scraping' });
    await limits.block(BOB, { expiresInSeconds: 5 });
    expect(await limits.blocked()).toEqual([
      { subject: ADA, reason: 'scraping' },
      { subject: BOB, expiresInMs: 5000 },
    ]);
    expect(await limits.list()).toEqual([]);
    expect([await limits.unblock(ADA), await limits.unblock(ADA)]).toEqual([true, false]);
    expect(await admitted('jobs', ADA)).toBe(3);
    clock.advanceMs(5000);
    expect(await limits.blocked()).toEqual([]);
  });

  it('is counted as a denial of its policies', async () => {
    await limits.block(ADA);
    await limiter.consume([
      { policy: 'exports', subject: BOB },
      { policy: 'jobs', subject: ADA },
    ]);
    expect(limiter.counts).toMatchObject([{ policy: 'jobs', denied: 1 }, { policy: 'exports', denied: 0 }, {}]);
  });

  it('keeps its other limits', async () => {
    await limits.set('jobs', ADA, { capacity: 7, perSeconds: 7 });
    await limits.block(ADA);
    expect((await limits.peek('jobs', ADA)).mostRestrictive.policy.capacity).toBe(7);
    await limits.unblock(ADA);
    expect(await admitted('jobs', ADA)).toBe(7);
  });
});

describe('grant', () => {
  it('gives exactly so many tokens, and never above full', async () => {
    expect(await admitted('jobs', ADA)).toBe(3);
    await limits.grant('jobs', ADA, 2);
    expect(await limits.peek('jobs', ADA)).toMatchObject({ remaining: 2, resetAfterMs: 1000 });
    await limits.grant('jobs', ADA, 3);
    expect(await limits.peek('jobs', ADA)).toMatchObject({ remaining: 3, resetAfterMs: 0 });
    expect(storage.size).toBe(0);
  });

  it.each([
    [log, 1000],
    [new Policy({ name: 'counter', capacity: 5, perSeconds: 60, algorithm: 'sliding-window-counter' }), 61_000],
  ])('gives them to sliding windows too: %o', async (policy, resetAfterMs) => {
    expect(await admitted(policy, ADA)).toBe(5);
    clock.advanceMs(59_000);
    await limits.grant(policy, ADA, 2);
    expect(await limits.peek(policy, ADA)).toMatchObject({ remaining: 2, resetAfterMs });
    expect(await admitted(policy, ADA)).toBe(2);
    await limits.grant(policy, ADA, 5);
    expect(await limits.peek(policy, ADA)).toMatchObject({ remaining: 5, resetAfterMs: 0 });
    expect(storage.size).toBe(0);
  });

  it('is by the numbers that count now', async () => {
    await limits.set('jobs', ADA, { capacity: 10, perSeconds: 1000 });
    expect(await admitted('jobs', ADA)).toBe(10);
    await limits.grant('jobs', ADA, 7);
    expect(await admitted('jobs', ADA)).toBe(7);
    await limits.reset('jobs', ADA);
    expect(await admitted('jobs', ADA)).toBe(10);
  });

  it.each([
    ['jobs', 0, 'cost is 0'],
    ['jobs', 1.5, 'cost is 1.5'],
    ['jobs', 4, '4 tokens are to be granted, and a full bucket holds 3'],
    ['joobs', 1, 'Unknown policy "joobs"'],
  ])('refuses %s, %s', async (policy, tokens, message) => {
    await expect(limits.grant(policy, ADA, tokens)).rejects.toThrow(InvalidChargeError);
    await expect(limits.grant(policy, ADA, tokens)).rejects.toThrow(message);
  });
});

describe('policies that have a place', () => {
  const route = new Policy({ name: 'default', place: 'App/Reports/list', capacity: 2, perSeconds: 60 });
  beforeEach(() => limiter.declare([route]));

  it('are named by their id, once they are declared', async () => {
    await limits.set(route.id, ADA, { capacity: 4, perSeconds: 60 });
    expect(await admitted(route, ADA)).toBe(4);
    expect(await limits.peek(route.id, ADA)).toMatchObject({ allowed: false });
    await limits.grant(route.id, ADA, 1);
    expect(await admitted(route.id, ADA)).toBe(1);
    await limits.reset(route.id, ADA);
    expect(await admitted(route.id, ADA)).toBe(4);
    expect(await limits.remove(route.id, ADA)).toBe(true);
    await limits.reset(route.id, ADA);
    expect(await admitted(route, ADA)).toBe(2);
  });

  it('and any other are lifted as they are listed, even when they are no longer declared', async () => {
    await limits.set(route, ADA, { capacity: 4, perSeconds: 60 });
    await limits.set(route, EVERY_SUBJECT, { capacity: 5, perSeconds: 60 });
    await limits.set('jobs', BOB, { capacity: 6, perSeconds: 60 });
    const later = new RateLimitOverrides(new RateLimiter(storage, [], { overrides: true }));
    for (const { policy, subject = EVERY_SUBJECT } of await later.list()) {
      expect(await later.remove(policy, subject)).toBe(true);
    }
    expect(await later.list()).toEqual([]);
  });
});

describe('what cannot be meant', () => {
  const good = { capacity: 1, perSeconds: 1 };

  it.each<[string, Parameters<RateLimitOverrides['set']>, string]>([
    ['a capacity of 0', ['jobs', ADA, { capacity: 0, perSeconds: 1 }], 'capacity is 0'],
    ['no refill', ['jobs', ADA, { capacity: 1 } as never], 'the refill is missing'],
    ['null', ['jobs', ADA, null as never], 'the options are null'],
    ['another algorithm', ['jobs', ADA, { ...good, algorithm: 'leaky-bucket' } as never], 'unknown option "algorithm"'],
    ['numbers of another algorithm', ['log', ADA, { capacity: 1, refillTokens: 1, refillSeconds: 1 }], 'refillTokens'],
    ['too large a log', ['log', ADA, { capacity: 10_001, perSeconds: 1 }], '10001'],
    ['an empty subject', ['jobs', '', good], 'the subject is ""'],
    ['no subject', ['jobs', undefined as never, good], 'the subject is undefined'],
    ['too long a subject', ['jobs', 'x'.repeat(1 << 20), good], 'has 1048576 characters ("xxx'],
    ['an expiry of 0', ['jobs', ADA, { ...good, expiresInSeconds: 0 }], 'expiresInSeconds is 0'],
    ['an expiry that is text', ['jobs', ADA, { ...good, expiresInSeconds: '5' as never }], 'expiresInSeconds is "5"'],
    ['a long reason', ['jobs', ADA, { ...good, reason: 'x'.repeat(201) }], 'reason has 201 characters'],
    ['a long place', [new Policy({ place: 'x'.repeat(2000), ...good }), ADA, good], 'the place and name of the policy'],
  ])('%s is an error, and changes nothing', async (_, parameters, message) => {
    await limits.set('jobs', ADA, { capacity: 2, perSeconds: 2 });
    const error: Error = await limits.set(...parameters).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(InvalidOverrideError);
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/RateLimitOverrides\.set.*Remedy: /s);
    expect(error.message.length).toBeLessThan(500);
    expect(await limits.list()).toHaveLength(1);
    expect(await admitted('jobs', ADA)).toBe(2);
  });

  it('a block of nobody, or with unknown options, is one too', async () => {
    await expect(limits.block('')).rejects.toThrow(InvalidOverrideError);
    await expect(limits.unblock(7 as never)).rejects.toThrow(InvalidOverrideError);
    await expect(limits.block(ADA, { expires: 5 } as never)).rejects.toThrow('unknown option "expires"');
    expect(await limits.blocked()).toEqual([]);
  });

  it('an unknown policy is told as elsewhere', async () => {
    for (const policy of ['joobs', '', undefined, null, 7, {}] as string[]) {
      await expect(limits.set(policy, ADA, good)).rejects.toThrow(InvalidChargeError);
      await expect(limits.remove(policy, ADA)).rejects.toThrow(InvalidChargeError);
    }
    await expect(limits.remove('joobs', ADA)).rejects.toThrow('Unknown policy "joobs"');
  });

  it('a subject that no limit spells so is refused wherever one is named, but where it is only lifted', async () => {
    const checkSubject = (subject: string, where: string) => {
      if (subject === 'ada') throw new InvalidOverrideError(`${where}: spelled "ada"`);
    };
    const checked = new RateLimitOverrides(limiter, {}, { checkSubject });
    const asked: [method: string, ask: () => Promise<unknown>][] = [
      ['set', () => checked.set('jobs', 'ada', good)],
      ['block', () => checked.block('ada')],
      ['peek', () => checked.peek('jobs', 'ada')],
      ['reset', () => checked.reset('jobs', 'ada')],
      ['grant', () => checked.grant('jobs', 'ada', 1)],
    ];
    for (const [method, ask] of asked) {
      await expect(ask()).rejects.toThrow(new InvalidOverrideError(`RateLimitOverrides.${method}: spelled "ada"`));
    }
    await checked.set('jobs', EVERY_SUBJECT, good);
    // Kept before there was such a check.
    await limits.block('ada');
    expect(await checked.unblock('ada')).toBe(true);
    await limits.set('jobs', 'ada', good);
    expect(await checked.remove('jobs', 'ada')).toBe(true);
  });

  it('more than the storage takes is refused, and those that are over make room', async () => {
    for (let i = 0; i < MAX_OVERRIDES; i++) {
      await storage.overrideStore.write(`block/${i}`, JSON.stringify({ kind: 'block', subject: `${i}` }), 1_000_000);
    }
    await expect(limits.block(ADA)).rejects.toThrow(TooManyOverridesError);
    await expect(limits.block(ADA)).rejects.toThrow('10000 overrides and blocks are kept already');
    await limits.block('7');
    clock.advanceMs(121_000);
    await limits.block(ADA);
    expect(await limits.blocked()).toEqual([{ subject: '7' }, { subject: ADA }]);
  });
});

describe('where it is switched off', () => {
  beforeEach(() => {
    limiter = new RateLimiter(storage, [jobs]);
    limits = new RateLimitOverrides(limiter);
  });

  it('says how to switch it on', async () => {
    const changes = [
      limits.set('jobs', ADA, { capacity: 1, perSeconds: 1 }),
      limits.remove('jobs', ADA),
      limits.list(),
      limits.block(ADA),
      limits.unblock(ADA),
      limits.blocked(),
    ];
    for (const change of changes) {
      const error: Error = await change.then(
        () => new Error('done'),
        (thrown) => thrown,
      );
      expect(error).toBeInstanceOf(RateLimitConfigurationError);
      expect(error.message).toContain('Remedy: say overrides: true');
    }
  });

  it('still looks at buckets, makes them full and gives tokens', async () => {
    expect(await admitted('jobs', ADA)).toBe(3);
    await limits.grant('jobs', ADA, 1);
    expect(await limits.peek('jobs', ADA)).toMatchObject({ remaining: 1 });
    await limits.reset('jobs', ADA);
    expect(await limits.peek('jobs', ADA)).toMatchObject({ remaining: 3 });
    await limits.open();
    await limits.refresh();
    limits.close();
  });

  it('cannot be switched on with a storage that keeps no overrides', () => {
    class Bare extends RateLimitStorage {
      consume = () => ({ allowed: true, nowMicros: 0, debtUnits: [0] });
      peek = this.consume;
      refund() {}
      grant() {}
      reset() {}
    }
    expect(() => new RateLimiter(new Bare(), [], { overrides: true })).toThrow(
      'new RateLimiter overrides: the storage (Bare) does not keep them. Remedy: use MemoryStorage or RedisStorage',
    );
  });

  it.each([0, 0.05, 61, NaN, '1', null])('knows no refreshSeconds of %p', (refreshSeconds) => {
    expect(() => new RateLimitOverrides(limiter, { refreshSeconds: refreshSeconds as never })).toThrow(
      RateLimitConfigurationError,
    );
  });
});

describe('subjects and policies that are any text', () => {
  it.each([
    '__proto__',
    'constructor',
    '0',
    '\0',
    '{a}/b',
    '\ud800',
    '\udc00x',
    'ä😀',
    ' ',
    'block/x',
    'x'.repeat(1024),
  ])('%j is itself and nobody else', async (subject) => {
    const policy = new Policy({ name: 'any', place: '__proto__/{x}', capacity: 1, perSeconds: 1 });
    await limits.set(policy, subject, { capacity: 5, perSeconds: 5 });
    await limits.block(`${subject}.`.slice(-1024));
    expect(await limits.list()).toMatchObject([{ policy: policy.id, subject }]);
    expect((await limiter.peek({ policy, subject })).remaining).toBe(5);
    expect((await limiter.peek({ policy, subject: `${subject}x` })).remaining).toBe(1);
    expect(await limits.remove(policy, subject)).toBe(true);
    expect(await limits.list()).toEqual([]);
  });
});

describe('another instance', () => {
  /** Timers that go off by hand. */
  function manualTimers() {
    const pending: { delayMs: number; keepsAlive: boolean; action: () => void }[] = [];
    const timers: Timers = {
      nowMicros: () => clock.nowMicros(),
      after(delayMs, action, keepsAlive) {
        const timer = { delayMs, action, keepsAlive };
        pending.push(timer);
        return () => void pending.splice(pending.indexOf(timer), 1);
      },
    };
    return { timers, pending };
  }
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it('follows at its next look, every second, and no process lives for that', async () => {
    const { timers, pending } = manualTimers();
    const other = instance(timers);
    await limits.set('jobs', ADA, { capacity: 9, perSeconds: 9 });
    await other.limits.open();
    expect((await other.limits.peek('jobs', ADA)).remaining).toBe(9);
    expect(pending).toMatchObject([{ delayMs: 1000, keepsAlive: false }]);
    await limits.remove('jobs', ADA);
    await limits.block(BOB);
    expect((await other.limits.peek('jobs', ADA)).remaining).toBe(9);
    pending.shift()!.action();
    await settled();
    expect((await other.limits.peek('jobs', ADA)).remaining).toBe(3);
    expect((await other.limits.peek('jobs', BOB)).isBlocked).toBe(true);
    expect(pending).toHaveLength(1);
    other.limits.close();
    expect(pending).toHaveLength(0);
  });

  it('keeps what it knows while the storage fails, says so once, and follows again', async () => {
    const { timers, pending } = manualTimers();
    await limits.block(ADA);
    const other = instance(timers);
    await other.limits.open();
    const failing = jest.spyOn(storage.overrideStore, 'read').mockRejectedValue(new Error('away'));
    for (let i = 0; i < 3; i++) {
      pending.shift()!.action();
      await settled();
    }
    await expect(other.limits.blocked()).rejects.toThrow('away');
    expect((await other.limits.peek('jobs', ADA)).isBlocked).toBe(true);
    expect(warnings).toEqual([
      'What was changed at run time cannot be read; until it can, what was read before stays in force. away',
    ]);
    failing.mockRestore();
    await limits.unblock(ADA);
    pending.shift()!.action();
    await settled();
    expect((await other.limits.peek('jobs', ADA)).isBlocked).toBe(false);
  });

  it('reads all anew after a minute, or when something was lost, whatever it had read before', async () => {
    const { timers, pending } = manualTimers();
    await limits.block(ADA);
    await limits.block(BOB);
    const other = instance(timers);
    await other.limits.open();
    // Lost without a trace, as by a failover.
    const entries = (storage.overrideStore as unknown as { entries: Map<string, unknown> }).entries;
    entries.delete('block/user:ada');
    pending.shift()!.action();
    await settled();
    expect((await other.limits.peek('jobs', ADA)).isBlocked).toBe(true);
    clock.advanceMs(60_000);
    pending.shift()!.action();
    await settled();
    expect((await other.limits.peek('jobs', ADA)).isBlocked).toBe(false);
    expect((await other.limits.peek('jobs', BOB)).isBlocked).toBe(true);
    Object.assign(storage.overrideStore, { latestVersion: 1 });
    entries.clear();
    await other.limits.refresh();
    expect((await other.limits.peek('jobs', BOB)).isBlocked).toBe(false);
  });

  it('leaves out what it cannot read, or what does not fit its own limits, and says so once', async () => {
    const block = (subject: unknown) => JSON.stringify({ kind: 'block', subject });
    const limit = (policy: unknown, numbers: unknown) =>
      JSON.stringify({ kind: 'limit', policy, subject: ADA, numbers });
    const other = instance();
    const writes: [string, string][] = [
      ['block/a', 'no JSON'],
      ['block/b', 'null'],
      ['block/c', '[]'],
      ['block/d', block(7)],
      ['block/e', block('user:ada')],
      ['limit/jobs/user:bob', limit('jobs', { capacity: 1, perSeconds: 1 })],
      ['limit/exports/user:ada', limit('exports', null)],
      ['limit/log/user:ada', limit('log', { capacity: 1, refillTokens: 5, refillSeconds: 5 })],
      ['limit/jobs/user:ada', limit('jobs', { capacity: 4, perSeconds: 4, name: 'x', place: 'y', algorithm: 'no' })],
    ];
    for (const [key, value] of writes) await storage.overrideStore.write(key, value, 0);
    await other.limits.refresh();
    await other.limits.refresh();
    expect(warnings).toHaveLength(7);
    expect(warnings[0]).toBe('The override "block/a" cannot be read and is ignored.');
    expect((await other.limits.peek('jobs', ADA)).mostRestrictive.policy).toMatchObject({ capacity: 4, id: 'jobs' });
    for (let i = 0; i < 2; i++) expect((await other.limits.peek('log', ADA)).remaining).toBe(5);
    expect(warnings).toHaveLength(8);
    expect(warnings[7]).toMatch(/^An override is ignored, and the limit stays as it is declared\. Policy "log"/);
  });
});
