import { AssertionError } from 'node:assert';
import { MemoryStorage, Policy, RateLimiter, type StorageReply } from 'nestjs-token-bucket';
import { blockWith } from './support/markdown.js';
import { runWith } from './support/run-block.js';

const FILE = 'docs/storage.md';

const jobs = new Policy({ name: 'jobs', capacity: 5, perSeconds: 60 });

type Check = readonly [name: string, run: () => unknown];

describe('docs/storage.md', () => {
  /** A limiter whose storage always gives the reply of the document, with another debt. */
  async function limiterWith(debtUnits: number): Promise<RateLimiter> {
    const { exports } = await runWith<{ reply: StorageReply }>(blockWith('const reply', FILE), { names: ['reply'] });
    class FixedStorage extends MemoryStorage {
      override consume(): StorageReply {
        return { ...exports.reply, debtUnits: [debtUnits] };
      }
    }
    return new RateLimiter(new FixedStorage());
  }

  it.each([
    ['0 is full', 0, 5],
    ['a token has policy.tokenUnits units', jobs.tokenUnits, 4],
    ['policy.capacityUnits is empty', jobs.capacityUnits, 0],
  ])('says what a reply means: %s', async (_rule, debtUnits, remaining) => {
    const decision = await (await limiterWith(debtUnits)).consume({ policy: jobs, subject: 'user:42' });
    expect(decision).toMatchObject({ allowed: true, remaining });
    expect(decision.policies[0]!.nowMicros).toBe(1_800_000_000_000_000);
  });

  it('says what becomes of a sliding window that a storage does not know', async () => {
    const policy = new Policy({ name: 'log', capacity: 5, perSeconds: 60, algorithm: 'sliding-window-log' });
    const asked = async () => (await limiterWith(0)).consume({ policy, subject: 'user:42' });
    await expect(asked()).rejects.toMatchObject({ name: 'StorageFailureError', message: expect.stringMatching(/log/) });
  });

  async function checksOf(MyStorage: typeof MemoryStorage): Promise<readonly Check[]> {
    const checks: Check[] = [];
    const test = (name: string, run: () => unknown) => checks.push([name, run]);
    await runWith(blockWith('storageContract(', FILE), { given: { test, MyStorage } });
    return checks;
  }

  it('has checks for a storage that keeps all promises', async () => {
    const checks = await checksOf(MemoryStorage);
    expect(new Set(checks.map(([name]) => name)).size).toBe(checks.length);
    for (const [, run] of checks) await run();
  });

  it('has checks that a storage which gives nothing back does not pass', async () => {
    class KeepingStorage extends MemoryStorage {
      override refund(): void {}
    }
    const failed: unknown[] = [];
    for (const [, run] of await checksOf(KeepingStorage)) {
      try {
        await run();
      } catch (error) {
        failed.push(error);
      }
    }
    expect(failed).toContainEqual(expect.any(AssertionError));
  });
});
