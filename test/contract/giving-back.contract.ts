import { type Contract, perMinute } from './storage-harness.js';

/** Peek, refund and reset. */
export function describeGivingBack(contract: Contract): void {
  test('peek says what consume would say and takes nothing', async () => {
    const policy = perMinute(3);
    const peek = async (cost: number) => {
      const { allowed, remaining, retryAfterMs } = await contract.limiter.peek({ policy, subject: 'user:1', cost });
      return [allowed, remaining, retryAfterMs];
    };
    expect(await peek(3)).toEqual([true, 3, 0]);
    expect(await contract.state()).toBe('');
    expect(await contract.consume(policy, 2)).toEqual([true, 1, 0, 40_000]);
    const before = await contract.state();
    expect(await peek(1)).toEqual([true, 1, 0]);
    expect(await peek(2)).toEqual([false, 1, 20_000]);
    expect(await peek(4)).toEqual([false, 1, Infinity]);
    expect(await contract.state()).toEqual(before);
    expect(await contract.consume(policy)).toEqual([true, 0, 0, 60_000]);
  });

  test('a refund gives back what has not refilled since', async () => {
    const policy = perMinute(6); // a token every 10 s
    const subject = 'user:1';
    const first = await contract.limiter.consume({ policy, subject, cost: 4 });
    await contract.limiter.refund(first.receipts[0]!);
    expect(await contract.consume(policy, 6)).toEqual([true, 0, 0, 60_000]);
    await contract.limiter.reset({ policy, subject });

    const second = await contract.limiter.consume({ policy, subject, cost: 4 });
    await contract.limiter.consume({ policy, subject, cost: 2 });
    contract.advanceMs(15_000);
    await contract.limiter.refund(second.receipts[0]!);
    expect((await contract.limiter.peek({ policy, subject })).resetAfterMs).toBe(20_000);
    await contract.limiter.reset({ policy, subject });

    const third = await contract.limiter.consume({ policy, subject, cost: 3 });
    contract.advanceMs(30_000);
    await contract.limiter.consume({ policy, subject, cost: 6 });
    await contract.limiter.refund(third.receipts[0]!);
    expect(await contract.consume(policy)).toEqual([false, 0, 10_000, 60_000]);
  });

  test('a refund in steps counts whole steps, a refund of everything leaves nothing behind', async () => {
    const policy = perMinute(6, { refillEverySeconds: 20 });
    const subject = 'user:1';
    const first = await contract.limiter.consume({ policy, subject, cost: 3 });
    contract.advanceMs(19_999);
    await contract.limiter.refund(first.receipts[0]!);
    expect(await contract.state()).toBe('');
    expect((await contract.limiter.peek({ policy, subject, cost: 6 })).allowed).toBe(true);

    const second = await contract.limiter.consume({ policy, subject, cost: 5 });
    contract.advanceMs(1);
    await contract.limiter.consume({ policy, subject, cost: 2 });
    await contract.limiter.refund(second.receipts[0]!);
    expect((await contract.limiter.peek({ policy, subject })).remaining).toBe(4);
  });

  test('a refund of several charges gives each its own back, and none to a bucket that was reset', async () => {
    const [a, b] = [perMinute(4), perMinute(8, { name: 'other' })];
    const subject = 'user:1';
    const charges = [
      { policy: a, subject, cost: 2 },
      { policy: b, subject, cost: 3 },
    ];
    const { receipts } = await contract.limiter.consume(charges);
    await contract.limiter.consume(charges);
    await contract.limiter.reset({ policy: a, subject });
    await contract.limiter.refund(receipts[0]!);
    expect((await contract.limiter.peek(charges)).policies.map((policy) => policy.remaining)).toEqual([4, 5]);
  });

  test('reset makes the named buckets full and no others', async () => {
    const policy = perMinute(2);
    for (const subject of ['user:1', 'user:2', 'user:3']) await contract.consume(policy, 2, subject);
    await contract.limiter.reset([
      { policy, subject: 'user:1' },
      { policy, subject: 'user:3' },
      { policy, subject: 'user:never-seen' },
    ]);
    expect((await contract.consume(policy, 2, 'user:1'))[0]).toBe(true);
    expect((await contract.consume(policy, 1, 'user:2'))[0]).toBe(false);
    expect((await contract.consume(policy, 2, 'user:3'))[0]).toBe(true);
  });
}
