import { Policy } from '../../src/core/policy.js';
import { type Contract, perMinute } from './storage-harness.js';

/** Debt from elsewhere: what was given out while the storage was away. */
export function describeOwing(contract: Contract): void {
  const subject = 'user:1';
  const owe = async (policy: Policy, tokens: number, who = subject) =>
    contract.storage.owe([{ policy, subject: who, debtUnits: tokens * policy.refillMicros }]);

  test('what is owed comes on top of what a bucket owes already, and drains as that does', async () => {
    const policy = perMinute(6); // a token every 10 s
    await contract.consume(policy, 2);
    await owe(policy, 3);
    expect(await contract.consume(policy, 2)).toEqual([false, 1, 10_000, 50_000]);
    contract.advanceMs(9_999.999);
    expect(await contract.consume(policy, 2)).toEqual([false, 1, 0.001, 40_000.001]);
    contract.advanceMs(0.001);
    expect(await contract.consume(policy, 2)).toEqual([true, 0, 0, 60_000]);
  });

  test('a bucket that is full, or was never asked about, owes it from now on', async () => {
    const policy = perMinute(6);
    await owe(policy, 4);
    expect((await contract.limiter.peek({ policy, subject })).remaining).toBe(2);
    await contract.consume(policy, 6, 'user:2');
    contract.advanceMs(60_000);
    await owe(policy, 1, 'user:2');
    expect(await contract.consume(policy, 5, 'user:2')).toEqual([true, 0, 0, 60_000]);
  });

  test('a bucket may owe more than it holds, and gives nothing until that is paid', async () => {
    const policy = perMinute(6);
    await contract.consume(policy, 6);
    await owe(policy, 6);
    await owe(policy, 3);
    expect(await contract.consume(policy)).toEqual([false, 0, 100_000, 150_000]);
    contract.advanceMs(99_999.999);
    expect(await contract.consume(policy)).toEqual([false, 0, 0.001, 50_000.001]);
    contract.advanceMs(0.001);
    expect(await contract.consume(policy)).toEqual([true, 0, 0, 60_000]);
  });

  test('the debts of several buckets are their own, and no others', async () => {
    const [a, b] = [perMinute(6), perMinute(10, { name: 'other' })];
    await contract.storage.owe([
      { policy: a, subject, debtUnits: 2 * a.refillMicros },
      { policy: b, subject, debtUnits: 7 * b.refillMicros },
      { policy: a, subject: 'user:2', debtUnits: 5 * a.refillMicros },
    ]);
    const left = async (policy: Policy, who: string) =>
      (await contract.limiter.peek({ policy, subject: who })).remaining;
    expect(await left(a, subject)).toBe(4);
    expect(await left(b, subject)).toBe(3);
    expect(await left(a, 'user:2')).toBe(1);
    expect(await left(b, 'user:2')).toBe(10);
    expect(await left(a, 'user:3')).toBe(6);
  });

  test('parts of a token are owed exactly', async () => {
    const policy = perMinute(7); // 7 units drain in a microsecond
    await contract.storage.owe([{ policy, subject, debtUnits: 1 }]);
    expect((await contract.limiter.peek({ policy, subject, cost: 7 })).retryAfterMs).toBe(0.001);
    await contract.storage.owe([{ policy, subject, debtUnits: 5 }]);
    expect((await contract.storage.peek([{ policy, subject, cost: 1 }])).debtUnits).toEqual([6]);
    await contract.storage.owe([{ policy, subject, debtUnits: 2 }]);
    expect((await contract.storage.peek([{ policy, subject, cost: 1 }])).debtUnits).toEqual([8]);
    contract.advanceMs(0.001);
    expect((await contract.storage.peek([{ policy, subject, cost: 1 }])).debtUnits).toEqual([1]);
    contract.advanceMs(0.001);
    expect((await contract.storage.peek([{ policy, subject, cost: 1 }])).debtUnits).toEqual([0]);
  });

  test('where tokens arrive in steps, what is owed is paid in steps', async () => {
    const policy = perMinute(6, { refillEverySeconds: 20 });
    await owe(policy, 5);
    expect(await contract.consume(policy, 2)).toEqual([false, 1, 20_000, 60_000]);
    contract.advanceMs(19_999);
    await owe(policy, 1);
    expect(await contract.consume(policy, 1)).toEqual([false, 0, 1, 40_001]);
    contract.advanceMs(1);
    expect(await contract.consume(policy, 2)).toEqual([true, 0, 0, 60_000]);
  });

  test('a reset forgives what is owed, and a refund gives back no more than was taken', async () => {
    const policy = perMinute(6);
    const { receipts } = await contract.limiter.consume({ policy, subject, cost: 2 });
    await owe(policy, 3);
    await contract.limiter.refund(receipts[0]!);
    expect((await contract.limiter.peek({ policy, subject })).remaining).toBe(3);
    await contract.limiter.reset({ policy, subject });
    expect(await contract.state()).toBe('');
    expect(await contract.consume(policy, 6)).toEqual([true, 0, 0, 60_000]);
  });
}
