import { deepEqual, equal, ok } from 'node:assert/strict';
import { describeValue } from '../../core/errors.js';
import { EVERY_SUBJECT } from '../../core/overrides/override.js';
import { RateLimitOverrides } from '../../core/overrides/rate-limit-overrides.js';
import { Policy } from '../../core/policy.js';
import { RateLimiter } from '../../core/rate-limiter.js';
import type { Checks, Contract } from './contract.js';
import { hostileSubjects } from './hostile-subjects.js';
import { overrideStore } from './override-store.js';

const jobs = new Policy({ name: 'jobs', capacity: 3, perSeconds: 3 });
const [ADA, BOB] = ['user:ada', 'user:bob'] as const;
const LONGEST_SUBJECT = 1024;
const HOUR_SECONDS = 3600;
const HOUR_MS = HOUR_SECONDS * 1000;
/** By which a store that is far away may misjudge the time since it last told it. */
const SLACK_MS = 600_000;

/** Two instances of an application on one storage: the one that decides, and the one that has to learn of it. */
function twoOn({ storage }: Contract) {
  const limiters = [0, 1].map(() => new RateLimiter(storage, [jobs], { overrides: true })) as [
    RateLimiter,
    RateLimiter,
  ];
  const [here, there] = limiters.map((limiter) => new RateLimitOverrides(limiter)) as [
    RateLimitOverrides,
    RateLimitOverrides,
  ];
  /** How many each says that a subject has left; −1: it is blocked. */
  const left = async (subject: string): Promise<readonly number[]> => {
    const decisions = await Promise.all(limiters.map(async (limiter) => limiter.peek({ policy: 'jobs', subject })));
    return decisions.map(({ isBlocked, remaining }) => (isBlocked ? -1 : remaining));
  };
  const refresh = async (): Promise<void> => {
    await here.refresh();
    await there.refresh();
  };
  return { here, there, limiters, left, refresh };
}

/** Limits that are changed and subjects that are blocked at run time, as they come out of the store. */
export const overrides: Checks = {
  ...overrideStore,

  'an override counts here at once, and elsewhere from the next look': async (contract) => {
    const { here, there, left } = twoOn(contract);
    await here.set('jobs', ADA, { capacity: 5, perSeconds: 5 });
    deepEqual(await left(ADA), [5, 3]);
    await there.refresh();
    deepEqual(await left(ADA), [5, 5]);
    await there.set('jobs', ADA, { capacity: 9, perSeconds: 9 });
    await here.refresh();
    deepEqual(
      [await left(ADA), await left(BOB)],
      [
        [9, 9],
        [3, 3],
      ],
    );
    await here.remove('jobs', ADA);
    await there.refresh();
    deepEqual(await left(ADA), [3, 3]);
  },

  'one of every subject and a block do so, too': async (contract) => {
    const { here, there, left } = twoOn(contract);
    await here.set('jobs', EVERY_SUBJECT, { capacity: 7, perSeconds: 7 });
    await here.block(BOB, { reason: 'scraping' });
    deepEqual(await there.blocked(), [{ subject: BOB, reason: 'scraping' }]);
    deepEqual(
      [await left(ADA), await left(BOB)],
      [
        [7, 7],
        [-1, -1],
      ],
    );
    deepEqual([await there.unblock(BOB), await here.unblock(BOB)], [true, false]);
    await here.refresh();
    deepEqual(await left(BOB), [7, 7]);
  },

  'both are over everywhere when their time is over': async (contract) => {
    const { here, there, left, refresh } = twoOn(contract);
    await here.set('jobs', ADA, { capacity: 5, perSeconds: 5, expiresInSeconds: HOUR_SECONDS });
    await here.block(BOB, { expiresInSeconds: 2 * HOUR_SECONDS });
    await refresh();
    deepEqual(
      [await left(ADA), await left(BOB)],
      [
        [5, 5],
        [-1, -1],
      ],
    );
    const [listed] = await there.list();
    ok(isNearly(listed!.expiresInMs, HOUR_MS), `an override of an hour ends in ${listed!.expiresInMs} ms`);
    const { retryAfterMs } = await here.peek('jobs', BOB);
    ok(isNearly(retryAfterMs, 2 * HOUR_MS), `a block of two hours ends in ${retryAfterMs} ms`);
    await contract.advanceMs(HOUR_MS);
    await refresh();
    deepEqual(
      [await left(ADA), await left(BOB)],
      [
        [3, 3],
        [-1, -1],
      ],
    );
    deepEqual([await here.list(), await here.remove('jobs', ADA)], [[], false]);
    await contract.advanceMs(HOUR_MS);
    await refresh();
    deepEqual([await left(BOB), await there.unblock(BOB)], [[3, 3], false]);
  },

  'what a bucket owes carries over, here and there': async (contract) => {
    const { here, there, limiters, left } = twoOn(contract);
    for (let i = 0; i < 3; i++) await limiters[0].consume({ policy: 'jobs', subject: ADA });
    await here.set('jobs', ADA, { capacity: 30, perSeconds: 30 });
    await there.refresh();
    // 3 s until it is full, as before: three tokens of thirty.
    deepEqual(await left(ADA), [27, 27]);
    await here.set('jobs', ADA, { capacity: 30, perSeconds: 3 });
    await there.refresh();
    deepEqual(await left(ADA), [0, 0]);
    await contract.advanceMs(100);
    equal((await limiters[1].consume({ policy: 'jobs', subject: ADA })).allowed, true);
  },

  'a raised limit admits at once who was denied before': async (contract) => {
    const { here, limiters } = twoOn(contract);
    const consume = async () => (await limiters[0].consume({ policy: 'jobs', subject: ADA })).allowed;
    deepEqual([await consume(), await consume(), await consume(), await consume()], [true, true, true, false]);
    await here.set('jobs', ADA, { capacity: 4, perSeconds: 4 });
    deepEqual([await consume(), await consume()], [true, false]);
  },

  'any subject is itself and nobody else': async (contract) => {
    const { here, there, left } = twoOn(contract);
    for (const subject of hostileSubjects().filter(({ length }) => length <= LONGEST_SUBJECT)) {
      const which = `not so of ${describeValue(subject)}`;
      await here.block(subject);
      await here.set('jobs', subject, { capacity: 9, perSeconds: 9 });
      deepEqual(await there.blocked(), [{ subject }], which);
      deepEqual(
        (await there.list()).map((override) => override.subject),
        [subject],
        which,
      );
      deepEqual(await left(subject), [-1, -1], which);
      deepEqual([await there.unblock(subject), await there.remove('jobs', subject)], [true, true], which);
      await here.refresh();
      deepEqual(await left(subject), [3, 3], which);
    }
  },
};

function isNearly(milliseconds: number | undefined, expectedMs: number): boolean {
  return Math.abs(milliseconds! - expectedMs) < SLACK_MS;
}
