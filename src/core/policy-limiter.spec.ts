import { quiet, VirtualTime } from '../../test/support/virtual-time.js';
import { MemoryStorage } from '../storage/memory/memory.storage.js';
import type { PolicyDefinition } from './bucket-shape.js';
import type { Charge } from './charge.js';
import {
  InvalidChargeError,
  LimiterClosedError,
  RateLimitConfigurationError,
  StorageFailureError,
  WaitTooLongError,
} from './errors.js';
import { RateLimitOverrides } from './overrides/rate-limit-overrides.js';
import { Policy } from './policy.js';
import { PolicyLimiter } from './policy-limiter.js';
import { RateLimiter } from './rate-limiter.js';
import { type MaybePromise, RateLimitStorage, type StorageReply } from './storage.js';
import type { WaitOptions } from './wait-options.js';

const START_MICROS = 1_800_000_000_000_000;
const ALL = 'everyone';

/** Memory that counts what it is asked, and may be slow to answer. */
class WatchedStorage extends RateLimitStorage {
  readonly asked = { consume: 0, cancel: 0, other: 0 };
  private readonly memory: MemoryStorage;

  constructor(
    private readonly time: VirtualTime,
    private readonly delayMs = 0,
  ) {
    super();
    this.memory = new MemoryStorage({ clock: time });
  }

  override consume(charges: readonly Charge[]): MaybePromise<StorageReply> {
    this.asked.consume++;
    return this.late(this.memory.consume(charges));
  }

  override cancel(charge: Charge, reply: StorageReply): MaybePromise<boolean> {
    this.asked.cancel++;
    return this.late(this.memory.cancel(charge, reply));
  }

  override peek(charges: readonly Charge[]): StorageReply {
    this.asked.other++;
    return this.memory.peek(charges);
  }

  override refund(): void {
    this.asked.other++;
  }

  override grant(): void {
    this.asked.other++;
  }

  override reset(charges: readonly Charge[]): void {
    this.memory.reset(charges);
  }

  private late<T>(answer: T): MaybePromise<T> {
    if (this.delayMs === 0) return answer;
    return new Promise((resolve) => this.time.after(this.delayMs, () => resolve(answer), false));
  }
}

/** A limiter in virtual time, and what comes of those who wait: `name@ms`, or `name!Error`. */
function setUp(definition: PolicyDefinition, delayMs = 0) {
  const time = new VirtualTime(START_MICROS);
  const storage = new WatchedStorage(time, delayMs);
  const policy = new Policy({ name: 'carrier', ...definition });
  const limiterOf = () => new PolicyLimiter(new RateLimiter(storage), policy, time);
  const limiter = limiterOf();
  const log: string[] = [];
  const elapsedMs = () => (time.nowMicros() - START_MICROS) / 1000;
  const ask = (name: string, options: WaitOptions & { readonly by?: PolicyLimiter; readonly for?: string } = {}) => {
    const { by = limiter, for: subject = ALL, ...rest } = options;
    by.wait(subject, rest).then(
      () => log.push(`${name}@${elapsedMs()}`),
      (error: Error) => log.push(`${name}!${error.message === 'left' ? 'left' : error.name}`),
    );
  };
  /** Somebody who can be made to leave. */
  const askAndMayLeave = (name: string, options: Parameters<typeof ask>[1] = {}) => {
    const controller = new AbortController();
    ask(name, { ...options, signal: controller.signal });
    return () => controller.abort(new Error('left'));
  };
  return { time, storage, policy, limiter, limiterOf, log, ask, askAndMayLeave };
}

const ONE_A_SECOND = { capacity: 1, perSeconds: 1 };
const THREE = { capacity: 3, refillTokens: 1, refillSeconds: 1 };
const TWO = { capacity: 2, refillTokens: 1, refillSeconds: 1 };

describe('wait', () => {
  it('lets go what fits at once, and the rest when its tokens arrive, in the order of asking', async () => {
    const { time, log, ask } = setUp(TWO);
    for (const name of 'abcde') ask(name);
    await time.pass(0);
    expect(log).toEqual(['a@0', 'b@0']);
    await time.pass(2_500_000);
    ask('f');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b@0', 'c@1000', 'd@2000', 'e@3000', 'f@4000']);
  });

  it('asks the storage once for each, however long they wait', async () => {
    const { time, storage, log, ask } = setUp(ONE_A_SECOND);
    for (let i = 0; i < 50; i++) ask(String(i));
    await time.passAll();
    expect(log).toHaveLength(50);
    expect(storage.asked).toEqual({ consume: 50, cancel: 0, other: 0 });
  });

  it('answers with a decision that is allowed, and leaves no receipt', async () => {
    const { time, limiter } = setUp(TWO);
    const decision = await limiter.wait(ALL);
    expect([decision.allowed, decision.remaining, decision.resetAfterMs]).toEqual([true, 1, 1000]);
    await limiter.wait(ALL);
    const late = limiter.wait(ALL);
    await time.passAll();
    expect(await late).toMatchObject({ allowed: true, remaining: 0, receipts: [], retryAfterMs: 0 });
  });

  it('keeps a line for each subject', async () => {
    const { time, log, ask } = setUp(ONE_A_SECOND);
    for (const name of ['a1', 'b1', 'a2', 'b2']) ask(name, { for: name[0]! });
    await time.passAll();
    expect(log).toEqual(['a1@0', 'b1@0', 'a2@1000', 'b2@1000']);
  });

  it('waits for as many tokens as asked', async () => {
    const { time, log, ask } = setUp({ capacity: 4, refillTokens: 2, refillSeconds: 1 });
    ask('a', { cost: 4 });
    ask('b', { cost: 3 });
    ask('c');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b@1500', 'c@2000']);
  });

  it('waits for the step in which the tokens arrive', async () => {
    const { time, log, ask } = setUp({ capacity: 2, perSeconds: 10, algorithm: 'fixed-window' });
    await time.pass(3_000_000);
    for (const name of 'abcde') ask(name);
    await time.passAll();
    expect(log).toEqual(['a@3000', 'b@3000', 'c@10000', 'd@10000', 'e@20000']);
  });

  it('never lets go too early, however early timers ring', async () => {
    const time = new VirtualTime(START_MICROS, () => 999);
    const policy = new Policy({ name: 'carrier', capacity: 1, refillTokens: 3, refillSeconds: 1 });
    const limiter = new PolicyLimiter(new RateLimiter(new MemoryStorage({ clock: time })), policy, time);
    const wentAt: number[] = [];
    for (let i = 0; i < 10; i++) void limiter.wait(ALL).then(() => wentAt.push(time.nowMicros() - START_MICROS));
    await time.passAll();
    wentAt.forEach((micros, i) => {
      expect(micros).toBeGreaterThanOrEqual(Math.ceil((i * 1_000_000) / 3));
      expect(micros).toBeLessThan(Math.ceil((i * 1_000_000) / 3) + 2000);
    });
  });

  it('counts from the arrival of the answer, which is later than the storage', async () => {
    const { time, log, ask } = setUp(ONE_A_SECOND, 30);
    for (const name of 'abc') ask(name);
    await time.passAll();
    expect(log).toEqual(['a@30', 'b@1030', 'c@2030']);
  });

  it('lets a process that stood still catch up no faster than the policy', async () => {
    const { time, log, ask } = setUp(TWO);
    for (const name of 'abcdefgh') ask(name);
    await time.pass(1_500_000);
    await time.stall(4_000_000);
    expect(log).toEqual(['a@0', 'b@0', 'c@1000', 'd@5500', 'e@5500']);
    await time.passAll();
    expect(log.slice(5)).toEqual(['f@6500', 'g@7500', 'h@8500']);
  });

  it('waits for months, too', async () => {
    const { time, log, ask } = setUp({ capacity: 1, perSeconds: 60 * 86_400 });
    for (const name of 'ab') ask(name);
    await time.passAll();
    expect(log).toEqual(['a@0', `b@${60 * 86_400_000}`]);
  });

  it('keeps the process alive as long as anybody waits, and forgets a line when it is empty', async () => {
    const { time, storage, limiter, limiterOf, askAndMayLeave, ask } = setUp(ONE_A_SECOND);
    await limiter.wait(ALL);
    const leave = askAndMayLeave('a');
    await quiet();
    expect(time.isAlive).toBe(true);
    ask('other', { by: limiterOf(), for: 'another' });
    await quiet();
    leave();
    await quiet();
    expect([time.isAlive, time.isIdle]).toEqual([false, true]);
    expect(storage.asked.cancel).toBe(1);
  });
});

describe('a line that is too long', () => {
  it('refuses, says when it is short enough, and charges nothing', async () => {
    const { time, storage, limiter, policy, ask, log } = setUp(ONE_A_SECOND);
    for (const name of 'abc') ask(name, { maxWaitMs: 2000 });
    await quiet();
    const before = storage.peek([{ policy, subject: ALL, cost: 1 }]);
    const error: unknown = await limiter.wait(ALL, { maxWaitMs: 1250.5 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WaitTooLongError);
    expect(error).toMatchObject({ retryAfterMs: 1749.5 });
    expect((error as Error).message).toBe(
      'Policy "carrier": the line is longer than maxWaitMs; in 1749.5 ms it will be short enough, if nobody else comes.',
    );
    expect(storage.peek([{ policy, subject: ALL, cost: 1 }])).toEqual(before);
    await time.pass(1_749_500);
    ask('d', { maxWaitMs: 1250.5 });
    await time.passAll();
    expect(log).toEqual(['a@0', 'b@1000', 'c@2000', 'd@3000']);
  });

  it('is any at all with maxWaitMs 0', async () => {
    const { time, log, ask } = setUp(TWO);
    for (const name of 'abc') ask(name, { maxWaitMs: 0 });
    await time.passAll();
    expect(log).toEqual(['a@0', 'b@0', 'c!WaitTooLongError']);
  });

  it('counts whole steps where tokens arrive in steps', async () => {
    const { time, log, ask } = setUp({ capacity: 1, perSeconds: 10, algorithm: 'fixed-window' });
    ask('a');
    ask('b', { maxWaitMs: 9999 });
    ask('c', { maxWaitMs: 10_000 });
    ask('d', { maxWaitMs: 19_999 });
    await time.passAll();
    expect(log).toEqual(['a@0', 'b!WaitTooLongError', 'd!WaitTooLongError', 'c@10000']);
  });
});

describe('whoever leaves', () => {
  it('costs nothing if nobody waits behind', async () => {
    const { time, log, ask, askAndMayLeave } = setUp(ONE_A_SECOND);
    ask('a');
    const leave = askAndMayLeave('b');
    await time.pass(300_000);
    leave();
    ask('c');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b!left', 'c@1000']);
  });

  it('leaves his place to those behind him, and the last place to the next who comes', async () => {
    const { time, storage, log, ask, askAndMayLeave } = setUp(ONE_A_SECOND);
    ask('a');
    const leave = askAndMayLeave('b');
    for (const name of 'cd') ask(name);
    await time.pass(300_000);
    leave();
    ask('e');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b!left', 'c@1000', 'd@2000', 'e@3000']);
    expect(storage.asked).toEqual({ consume: 5, cancel: 1, other: 0 });
  });

  it('gives nothing back that others have been promised times after; the next here gets it', async () => {
    const { time, storage, log, ask, askAndMayLeave, limiterOf } = setUp(ONE_A_SECOND);
    const elsewhere = limiterOf();
    ask('a');
    const leave = askAndMayLeave('b');
    ask('c', { by: elsewhere });
    await time.pass(300_000);
    leave();
    ask('d');
    ask('e');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b!left', 'd@1000', 'c@2000', 'e@3000']);
    // d has the place of b without asking.
    expect(storage.asked).toEqual({ consume: 4, cancel: 1, other: 0 });
  });

  it('loses a place that nobody here comes for in time', async () => {
    const { time, log, ask, askAndMayLeave, limiterOf } = setUp(ONE_A_SECOND);
    ask('a');
    const leave = askAndMayLeave('b');
    ask('c', { by: limiterOf() });
    await time.pass(300_000);
    leave();
    await quiet();
    await time.pass(1_000_000);
    ask('d');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b!left', 'c@2000', 'd@3000']);
  });

  it('does not come before those who have asked and have no answer yet', async () => {
    const { time, log, ask, askAndMayLeave, limiterOf } = setUp(ONE_A_SECOND, 20);
    ask('a');
    const leave = askAndMayLeave('b');
    ask('c', { by: limiterOf() });
    await time.pass(100_000);
    leave();
    await time.pass(100_000);
    ask('d');
    ask('e');
    await time.passAll();
    expect(log.slice(0, 2)).toEqual(['a@20', 'b!left']);
    expect(log.slice(2)).toEqual(['d@1020', 'c@2020', 'e@3020']);
  });

  it('leaves his place to those who want more or less, in the order in which they came', async () => {
    const { time, storage, log, ask, askAndMayLeave } = setUp(THREE);
    ask('a', { cost: 3 });
    const leave = askAndMayLeave('b', { cost: 2 });
    ask('c');
    ask('d', { cost: 3 });
    await time.pass(100_000);
    leave();
    ask('e');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b!left', 'c@1000', 'd@4000', 'e@5000']);
    expect(storage.asked).toEqual({ consume: 5, cancel: 1, other: 0 });
  });

  it('lets nobody who comes later go before one who wants more', async () => {
    const { time, log, ask, askAndMayLeave } = setUp(THREE);
    ask('a', { cost: 3 });
    const leaves = ['b', 'c', 'd'].map((name) => askAndMayLeave(name));
    ask('big', { cost: 3 });
    await time.pass(100_000);
    for (const leave of leaves) leave();
    for (const name of 'efg') ask(name);
    await time.passAll();
    expect(log.slice(4)).toEqual(['big@3000', 'e@4000', 'f@5000', 'g@6000']);
  });

  it('leaves his place only to those who want as many, where somebody of another instance stands in between', async () => {
    const { time, log, ask, askAndMayLeave, limiterOf } = setUp(THREE);
    ask('a', { cost: 3 });
    const leave = askAndMayLeave('b', { cost: 2 });
    ask('c', { by: limiterOf() });
    for (const cost of [1, 2, 1]) ask(`${cost}`, { cost });
    await time.pass(100_000);
    leave();
    await time.passAll();
    // The last comes sooner by the two tokens that are left over behind the second.
    expect(log).toEqual(['a@0', 'b!left', '2@2000', 'c@3000', '1@4000', '1@5000']);
  });

  it('gives back no more than was not waited for, when what is behind him has moved up and is left, too', async () => {
    const { time, storage, policy, ask, askAndMayLeave } = setUp(THREE);
    ask('a', { cost: 3 });
    const leaves = [2, 1, 3, 2].map((cost) => askAndMayLeave(`${cost}`, { cost }));
    await time.pass(100_000);
    for (const index of [1, 0, 3, 2]) leaves[index]!();
    await time.passAll();
    const { debtUnits } = storage.peek([{ policy, subject: ALL, cost: 1 }]);
    expect(debtUnits).toEqual([2.9 * policy.tokenUnits]);
    expect(time.isIdle).toBe(true);
  });

  it('may leave before the storage has answered', async () => {
    const { time, storage, log, ask, askAndMayLeave } = setUp(ONE_A_SECOND, 50);
    ask('a');
    askAndMayLeave('b')();
    await time.pass(10_000);
    expect(log).toEqual(['b!left']);
    await time.pass(200_000);
    ask('c');
    await time.passAll();
    expect(log).toEqual(['b!left', 'a@50', 'c@1050']);
    expect(storage.asked).toEqual({ consume: 3, cancel: 1, other: 0 });
  });

  it('is never charged when he has left before he asks', async () => {
    const { storage, limiter } = setUp(ONE_A_SECOND);
    const wait = limiter.wait(ALL, { signal: AbortSignal.abort(new Error('gone')) });
    await expect(wait).rejects.toThrow('gone');
    expect(storage.asked.consume).toBe(0);
  });

  it('is heard no longer once he has gone on, also of many with one signal', async () => {
    const { time, limiter } = setUp({ capacity: 100, perSeconds: 1 });
    const controller = new AbortController();
    const removed = jest.spyOn(controller.signal, 'removeEventListener');
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await Promise.all(Array.from({ length: 20 }, () => limiter.wait(ALL, { signal: controller.signal })));
    expect(removed).toHaveBeenCalled();
    expect(warned).not.toHaveBeenCalled();
    controller.abort();
    await time.passAll();
  });

  it('leaves nothing behind: all of a long line at once', async () => {
    const { time, storage, policy, limiter, log, askAndMayLeave } = setUp(ONE_A_SECOND);
    await limiter.wait(ALL);
    const leaves = Array.from({ length: 1000 }, (_, i) => askAndMayLeave(String(i)));
    await quiet();
    for (const leave of leaves) leave();
    await quiet();
    expect(log).toHaveLength(1000);
    expect(storage.peek([{ policy, subject: ALL, cost: 1 }]).debtUnits).toEqual([policy.capacityUnits]);
    expect(time.isIdle).toBe(true);
  });
});

describe('schedule', () => {
  it('runs a function when its tokens have arrived, and answers with its result', async () => {
    const { time, limiter } = setUp(ONE_A_SECOND);
    const ran: number[] = [];
    const run = (answer: number) => () => {
      ran.push((time.nowMicros() - START_MICROS) / 1000);
      return answer;
    };
    const answers = Promise.all([limiter.schedule(run(1)), limiter.schedule(async () => run(2)())]);
    await time.passAll();
    expect(await answers).toEqual([1, 2]);
    expect(ran).toEqual([0, 1000]);
    const failing = limiter.schedule(() => Promise.reject(new Error('of the function')), { subject: 'tenant:7' });
    await expect(failing).rejects.toThrow('of the function');
  });

  it('does not run it when the wait has ended, and is nobody for a subject that is unknown', async () => {
    const { time, limiter } = setUp(ONE_A_SECOND);
    const run = jest.fn();
    await limiter.schedule(() => {});
    await expect(limiter.schedule(run, { maxWaitMs: 500 })).rejects.toThrow(WaitTooLongError);
    await expect(limiter.schedule(run, { subject: undefined as never })).rejects.toThrow(InvalidChargeError);
    await time.passAll();
    expect(run).not.toHaveBeenCalled();
  });

  it('knows one option more than wait, and no other', async () => {
    const { limiter } = setUp(ONE_A_SECOND);
    const run = jest.fn();
    await expect(limiter.schedule(run, { subjet: ALL } as object)).rejects.toThrow(
      'Scheduling for policy "carrier": unknown option "subjet". Remedy: the options are subject, cost, signal, maxWaitMs.',
    );
    await expect(limiter.schedule(run, null as never)).rejects.toThrow('the options are null');
    expect(run).not.toHaveBeenCalled();
  });
});

describe('a bucket that is made full while others wait for it', () => {
  it('lets them go as far as its tokens allow, and the rest as they arrive', async () => {
    const { time, storage, limiter, log, ask } = setUp(TWO);
    for (const name of 'abcdef') ask(name);
    await time.pass(500_000);
    await limiter.reset(ALL);
    await quiet();
    expect(log).toEqual(['a@0', 'b@0', 'c@500', 'd@500']);
    // Four are asked for again, and nobody who asks later comes before them.
    expect(storage.asked.consume).toBe(10);
    expect((await limiter.consume(ALL)).allowed).toBe(false);
    ask('g');
    await time.passAll();
    expect(log.slice(4)).toEqual(['e@1500', 'f@2500', 'g@3500']);
  });

  it('lets nobody go twice, and nothing be left over: what is let go is charged', async () => {
    const { time, limiter, log, ask } = setUp(TWO);
    for (const name of 'abc') ask(name);
    await time.pass(100_000);
    await limiter.reset(ALL);
    await time.passAll();
    expect(log).toEqual(['a@0', 'b@0', 'c@100']);
    expect((await limiter.peek(ALL)).remaining).toBe(1);
    await time.pass(1_000_000);
    expect((await limiter.peek(ALL)).remaining).toBe(2);
  });

  it('is of one subject', async () => {
    const { time, limiter, log, ask } = setUp(ONE_A_SECOND);
    for (const name of ['a1', 'b1', 'a2', 'b2']) ask(name, { for: name[0]! });
    await time.pass(300_000);
    await limiter.reset('a');
    await time.passAll();
    expect(log).toEqual(['a1@0', 'b1@0', 'a2@300', 'b2@1000']);
  });

  it('keeps the order in which they came, whatever they cost and whichever limiter they asked', async () => {
    const { time, limiter, limiterOf, log, ask } = setUp({ capacity: 3, refillTokens: 1, refillSeconds: 1 });
    const elsewhere = limiterOf();
    ask('a', { cost: 3 });
    ask('b', { cost: 2, by: elsewhere });
    ask('c');
    ask('d', { by: elsewhere });
    ask('e', { cost: 2 });
    await time.pass(100_000);
    await limiter.reset(ALL);
    await time.passAll();
    expect(log).toEqual(['a@0', 'b@100', 'c@100', 'd@1100', 'e@3100']);
  });

  it('counts for those whose question has no answer yet', async () => {
    const { time, limiter, log, ask } = setUp(ONE_A_SECOND, 20);
    for (const name of 'abc') ask(name);
    await limiter.reset(ALL);
    await time.passAll();
    // As they were charged before it, they are asked for again: each answer takes 20 ms.
    expect(log).toEqual(['a@40', 'b@1040', 'c@2040']);
    expect((await limiter.peek(ALL)).remaining).toBe(0);
  });

  it('counts for those who ask while it is being made full', async () => {
    const { time, storage, limiter, log, ask } = setUp(ONE_A_SECOND);
    for (const name of 'abc') ask(name);
    await time.pass(100_000);
    // It is done before what is asked for later, as storages do it, and its answer takes 10 ms.
    jest.spyOn(storage, 'reset').mockImplementationOnce((buckets) => {
      WatchedStorage.prototype.reset.call(storage, buckets);
      return new Promise<void>((resolve) => void time.after(10, resolve, false)) as never;
    });
    void limiter.reset(ALL);
    await time.pass(5000);
    ask('d');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b@110', 'c@1110', 'd@2110']);
  });

  it('gives the place of one who leaves afterwards to those behind him', async () => {
    const { time, limiter, log, ask, askAndMayLeave } = setUp(ONE_A_SECOND);
    ask('a');
    ask('b');
    const leave = askAndMayLeave('c');
    ask('d');
    await time.pass(400_000);
    await limiter.reset(ALL);
    await time.pass(100_000);
    leave();
    ask('e');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b@400', 'c!left', 'd@1400', 'e@2400']);
  });

  it('gives back what was asked for again for one who has left meanwhile', async () => {
    const { time, storage, limiter, log, ask, askAndMayLeave } = setUp(ONE_A_SECOND, 20);
    ask('a');
    ask('b');
    const leave = askAndMayLeave('c');
    await time.pass(200_000);
    await limiter.reset(ALL);
    await time.pass(10_000);
    leave();
    await time.pass(100_000);
    expect([storage.asked.cancel, time.isIdle]).toEqual([1, true]);
    ask('d');
    await time.passAll();
    expect(log).toEqual(['a@20', 'c!left', 'b@220', 'd@1220']);
  });

  it('has forgotten the places that were kept for nobody', async () => {
    const { time, limiter, limiterOf, log, ask, askAndMayLeave } = setUp(ONE_A_SECOND);
    ask('a');
    const leave = askAndMayLeave('b');
    ask('c', { by: limiterOf() });
    await time.pass(300_000);
    leave();
    await quiet();
    await limiter.reset(ALL);
    ask('d');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b!left', 'c@300', 'd@1300']);
  });

  it('lets a process that stood still go on at the pace of the full bucket', async () => {
    const { time, limiter, log, ask } = setUp(TWO);
    for (const name of 'abcdefgh') ask(name);
    await time.pass(100_000);
    await time.stall(4_900_000);
    expect(log).toEqual(['a@0', 'b@0', 'c@5000', 'd@5000']);
    await limiter.reset(ALL);
    await time.passAll();
    expect(log.slice(4)).toEqual(['e@5000', 'f@5000', 'g@6000', 'h@7000']);
  });

  it('lets go by steps where tokens arrive in steps', async () => {
    const { time, limiter, log, ask } = setUp({ capacity: 2, perSeconds: 10, algorithm: 'fixed-window' });
    for (const name of 'abcdefg') ask(name);
    await time.pass(3_000_000);
    await limiter.reset(ALL);
    await time.passAll();
    expect(log).toEqual(['a@0', 'b@0', 'c@3000', 'd@3000', 'e@10000', 'f@10000', 'g@20000']);
  });

  it('can be made full again before that is known', async () => {
    const { time, limiter, log, ask } = setUp(ONE_A_SECOND, 20);
    for (const name of 'abcd') ask(name);
    await time.pass(500_000);
    await limiter.reset(ALL);
    await time.pass(10_000);
    await limiter.reset(ALL);
    await time.passAll();
    expect(log).toEqual(['a@20', 'b@530', 'c@1530', 'd@2530']);
  });

  it('keeps what is reserved for a time that the storage cannot be asked for again, and its pace', async () => {
    const { time, storage, limiter, log, ask } = setUp(ONE_A_SECOND);
    for (const name of 'abc') ask(name);
    await time.pass(500_000);
    jest.spyOn(storage, 'consume').mockRejectedValueOnce(new StorageFailureError('away'));
    await limiter.reset(ALL);
    await time.passAll();
    // What c asked for again is b's, who came before him; what was reserved for b at 1000 would be too early after that.
    expect(log).toEqual(['a@0', 'b@500', 'c@1500']);
  });

  it('changes nothing if the storage cannot do it', async () => {
    const { time, storage, limiter, log, ask } = setUp(ONE_A_SECOND);
    for (const name of 'abc') ask(name);
    await time.pass(500_000);
    jest.spyOn(storage, 'reset').mockReturnValueOnce(Promise.reject(new StorageFailureError('away')) as never);
    await expect(limiter.reset(ALL)).rejects.toThrow('away');
    await time.passAll();
    expect([log, storage.asked.consume]).toEqual([['a@0', 'b@1000', 'c@2000'], 3]);
  });

  it('is asked by a subject', () => {
    expect(() => setUp(TWO).limiter.reset('')).toThrow(InvalidChargeError);
  });
});

describe('a group', () => {
  const policies = [
    new Policy({ name: 'second', capacity: 2, perSeconds: 1 }),
    new Policy({ name: 'minute', capacity: 3, perSeconds: 60 }),
  ];

  it('is asked as one', async () => {
    const time = new VirtualTime(START_MICROS);
    const limiter = new PolicyLimiter(new RateLimiter(new MemoryStorage({ clock: time })), policies, time);
    expect((await limiter.consume(ALL, 2)).allowed).toBe(true);
    await time.pass(1_000_000);
    expect((await limiter.consume(ALL, 2)).allowed).toBe(false);
    expect((await limiter.peek(ALL)).policies.map(({ remaining }) => remaining)).toEqual([2, 1]);
    limiter.close();
  });

  it('has at least one policy', () => {
    const make = () => new PolicyLimiter(new RateLimiter(new MemoryStorage()), []);
    expect(make).toThrow('new PolicyLimiter: it was given no policy. Remedy: pass at least one.');
  });
});

describe('what can never be waited for', () => {
  const errorOf = (definition: PolicyDefinition, options: unknown = {}) =>
    setUp(definition)
      .limiter.wait(ALL, options as WaitOptions)
      .then(
        () => undefined,
        (error: Error) => [error.constructor, error.message],
      );

  it.each<[string, PolicyDefinition, unknown, abstract new (...args: never[]) => Error, string]>([
    [
      'a cost above the capacity',
      TWO,
      { cost: 3 },
      InvalidChargeError,
      'of cost 3 can be waited for; expected at most 2',
    ],
    ['a fractional cost', TWO, { cost: 0.5 }, InvalidChargeError, 'the cost is 0.5'],
    [
      'a cost that a step may overflow for',
      { capacity: 6, perSeconds: 60, algorithm: 'fixed-window' },
      { cost: 2 },
      InvalidChargeError,
      'expected at most 1, because its tokens arrive 6 at once',
    ],
    [
      'a step above the capacity',
      { capacity: 3, refillTokens: 5, refillSeconds: 1, refillEverySeconds: 1 },
      {},
      RateLimitConfigurationError,
      'of policy "carrier" 5 tokens arrive at once, and it holds 3',
    ],
    [
      'a sliding window',
      { capacity: 3, perSeconds: 1, algorithm: 'sliding-window-log' },
      {},
      RateLimitConfigurationError,
      'the algorithm of policy "carrier" is "sliding-window-log", in which no token has a time at which it arrives',
    ],
    ['a negative wait', TWO, { maxWaitMs: -1 }, RateLimitConfigurationError, 'maxWaitMs is -1'],
    ['no number', TWO, { maxWaitMs: Number.NaN }, RateLimitConfigurationError, 'maxWaitMs is NaN'],
    [
      'a wait that is too long to count',
      { capacity: 2 ** 50, refillTokens: 1_000_000, refillSeconds: 1 },
      { maxWaitMs: 1e13 },
      RateLimitConfigurationError,
      'at most 1125899906842 can be counted exactly',
    ],
    ['a signal that is none', TWO, { signal: {} }, RateLimitConfigurationError, 'signal is {}'],
    ['a misspelt option', TWO, { maxWait: 5 }, RateLimitConfigurationError, 'unknown option "maxWait"'],
  ])('%s', async (_what, definition, options, type, message) => {
    expect(await errorOf(definition, options)).toEqual([type, expect.stringContaining(message)]);
  });
});

describe('a storage that cannot answer', () => {
  it('fails the wait, and nobody else', async () => {
    const { storage, limiter, log, ask, time } = setUp(ONE_A_SECOND);
    await limiter.wait(ALL);
    const failure = new StorageFailureError('away');
    jest.spyOn(storage, 'consume').mockRejectedValueOnce(failure);
    await expect(limiter.wait(ALL)).rejects.toBe(failure);
    jest.spyOn(storage, 'consume').mockResolvedValueOnce({ allowed: true, nowMicros: 1, debtUnits: [] });
    await expect(limiter.wait(ALL)).rejects.toThrow(StorageFailureError);
    ask('b');
    await time.passAll();
    expect(log).toEqual(['b@1000']);
  });

  it('keeps whoever leaves from giving a place to two', async () => {
    const { time, storage, log, ask, askAndMayLeave } = setUp(ONE_A_SECOND);
    ask('a');
    const leave = askAndMayLeave('b');
    await quiet();
    jest.spyOn(storage, 'cancel').mockRejectedValueOnce(new StorageFailureError('away'));
    leave();
    await quiet();
    ask('c');
    await time.passAll();
    expect(log).toEqual(['a@0', 'b!left', 'c@2000']);
  });

  it('that counts nothing lets all go at once', async () => {
    const { storage, time, log, ask } = setUp(ONE_A_SECOND);
    jest.spyOn(storage, 'consume').mockReturnValue({ allowed: true, nowMicros: 1, debtUnits: [0] });
    for (const name of 'abc') ask(name);
    await time.pass(0);
    expect(log).toEqual(['a@0', 'b@0', 'c@0']);
  });
});

describe('what was decided at run time', () => {
  it('counts for those who wait, too', async () => {
    const time = new VirtualTime(START_MICROS);
    const policy = new Policy({ name: 'carrier', ...ONE_A_SECOND });
    const rateLimiter = new RateLimiter(new MemoryStorage({ clock: time }), [policy], { overrides: true });
    const overrides = new RateLimitOverrides(rateLimiter);
    const limiter = new PolicyLimiter(rateLimiter, policy, time);
    await overrides.set(policy, 'tenant:7', { capacity: 3, perSeconds: 30 });
    const wentAt: number[] = [];
    for (let i = 0; i < 5; i++) {
      void limiter.wait('tenant:7', { cost: 1 }).then(() => wentAt.push((time.nowMicros() - START_MICROS) / 1000));
    }
    await time.pass(25_000_000);
    expect(wentAt).toEqual([0, 0, 0, 10_000, 20_000]);
    await overrides.block('tenant:7', { expiresInSeconds: 60 });
    await expect(limiter.wait('tenant:7')).rejects.toMatchObject({ name: 'WaitTooLongError', retryAfterMs: 60_000 });
  });

  describe('with numbers that cannot count as far as is to be waited', () => {
    /** Of these, a wait of 685.248 ms. */
    const huge = { capacity: 2_251_799_813, refillTokens: 1, refillSeconds: 1 };
    const start = async (declared: PolicyDefinition, overriding: typeof huge) => {
      const time = new VirtualTime(START_MICROS);
      const policy = new Policy({ name: 'carrier', ...declared });
      const rateLimiter = new RateLimiter(new MemoryStorage({ clock: time }), [policy], { overrides: true });
      const limiter = new PolicyLimiter(rateLimiter, policy, time);
      await new RateLimitOverrides(rateLimiter).set(policy, ALL, overriding);
      return { time, limiter };
    };

    it.each([60_000, undefined])('waits as far as they can: maxWaitMs %p', async (maxWaitMs) => {
      const { time, limiter } = await start(ONE_A_SECOND, huge);
      await limiter.wait(ALL, { cost: huge.capacity, maxWaitMs });
      await expect(limiter.wait(ALL, { maxWaitMs })).rejects.toMatchObject({
        name: 'WaitTooLongError',
        retryAfterMs: 314.752,
      });
      await time.pass(315_000);
      const waiting = limiter.wait(ALL, { maxWaitMs });
      await time.passAll();
      expect([(await waiting).allowed, time.nowMicros() - START_MICROS]).toEqual([true, 1_000_000]);
    });

    it('is still refused where those that are declared could not either', async () => {
      const { limiter } = await start(huge, { ...huge, capacity: 1 });
      await expect(limiter.wait(ALL, { maxWaitMs: 60_000 })).rejects.toThrow('at most 685 can be counted exactly');
      await limiter.wait(ALL, { maxWaitMs: 600 });
      await expect(limiter.wait(ALL, { maxWaitMs: 600 })).rejects.toMatchObject({ retryAfterMs: 400 });
    });
  });
});

it('a limiter that is closed sends away who waits, and lets nobody in', async () => {
  const { time, limiter, storage, policy, log, ask } = setUp(ONE_A_SECOND);
  for (const name of 'abc') ask(name);
  await quiet();
  limiter.close();
  await quiet();
  expect(log).toEqual(['a@0', 'b!LimiterClosedError', 'c!LimiterClosedError']);
  await expect(limiter.wait(ALL)).rejects.toThrow(LimiterClosedError);
  expect(storage.peek([{ policy, subject: ALL, cost: 1 }]).debtUnits).toEqual([policy.capacityUnits]);
  expect(time.isIdle).toBe(true);
});

it('is counted when it is let go or refused, and not when it leaves', async () => {
  const time = new VirtualTime(START_MICROS);
  const rateLimiter = new RateLimiter(new WatchedStorage(time));
  const limiter = new PolicyLimiter(rateLimiter, new Policy({ name: 'carrier', capacity: 1, perSeconds: 1 }), time);
  await limiter.wait(ALL);
  const leaving = new AbortController();
  const left = limiter.wait(ALL, { signal: leaving.signal });
  await expect(limiter.wait(ALL, { maxWaitMs: 500 })).rejects.toThrow(WaitTooLongError);
  leaving.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  expect(rateLimiter.counts).toMatchObject([{ policy: 'carrier', allowed: 1, denied: 1, failed: 0 }]);
});
