import { deepEqual, equal } from 'node:assert/strict';
import type { Algorithm } from '../../core/algorithm.js';
import { Policy } from '../../core/policy.js';
import { type Checks, type Contract, perMinute } from './contract.js';

const subject = 'user:1';

/** A limit of so many per minute. */
export function by(algorithm: Algorithm, capacity: number, name = 'minute', perSeconds = 60): Policy {
  return new Policy({ name, capacity, perSeconds, algorithm });
}

/** Takes one token of each at a time, a second apart, and answers how many were admitted. */
async function admittedOf(contract: Contract, policy: Policy, seconds: number): Promise<number> {
  let admitted = 0;
  for (let second = 0; second < seconds; second++) {
    if ((await contract.consume(policy))[0]) admitted++;
    await contract.advanceMs(1000);
  }
  return admitted;
}

/** The algorithms beside the token bucket that keep what it keeps. */
export const algorithms: Checks = {
  'a fixed window is full at each whole period of Unix time': async (contract) => {
    const policy = by('fixed-window', 3);
    await contract.advanceMs(59_000);
    deepEqual(await contract.consume(policy, 3), [true, 0, 0, 1000]);
    deepEqual(await contract.consume(policy), [false, 0, 1000, 1000]);
    await contract.advanceMs(999.999);
    deepEqual(await contract.consume(policy), [false, 0, 0.001, 0.001]);
    await contract.advanceMs(0.001);
    deepEqual(await contract.consume(policy, 2), [true, 1, 0, 60_000]);
    await contract.advanceMs(30_000);
    deepEqual(await contract.consume(policy, 2), [false, 1, 30_000, 30_000]);
  },

  'a leaky bucket admits one at a time, strictly spaced': async (contract) => {
    const policy = by('leaky-bucket', 6); // one every 10 s
    deepEqual(await contract.consume(policy), [true, 0, 0, 10_000]);
    deepEqual(await contract.consume(policy), [false, 0, 10_000, 10_000]);
    await contract.advanceMs(9999.999);
    deepEqual(await contract.consume(policy), [false, 0, 0.001, 0.001]);
    await contract.advanceMs(0.001);
    deepEqual(await contract.consume(policy), [true, 0, 0, 10_000]);
    deepEqual(await contract.consume(policy, 2), [false, 0, Infinity, 10_000]);
    // Nothing is saved up.
    await contract.advanceMs(600_000);
    deepEqual(await contract.consume(policy), [true, 0, 0, 10_000]);
    deepEqual(await contract.consume(policy), [false, 0, 10_000, 10_000]);
  },

  'a leaky bucket that is no whole number of microseconds apart drifts by nothing': async (contract) => {
    equal(await admittedOf(contract, by('leaky-bucket', 7), 600), 67);
  },

  'buckets with and without steps and spaces are decided about together': async (contract) => {
    const policies = [perMinute(5), by('fixed-window', 3, 'window'), by('leaky-bucket', 6, 'leaky')];
    const charges = policies.map((policy) => ({ policy, subject }));
    const first = await contract.limiter.consume(charges);
    deepEqual([first.allowed, first.policies.map(({ remaining }) => remaining)], [true, [4, 2, 0]]);
    const state = await contract.state();
    const second = await contract.limiter.consume(charges);
    deepEqual([second.allowed, second.policies.map(({ allowed }) => allowed)], [false, [true, true, false]]);
    equal(await contract.state(), state);
    await contract.advanceMs(10_000);
    const third = await contract.limiter.consume(charges);
    deepEqual([third.allowed, third.policies.map(({ remaining }) => remaining)], [true, [3, 1, 0]]);
  },
};
