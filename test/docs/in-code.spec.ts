import { MemoryStorage, Policy, RateLimiter } from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { blockWith } from './support/markdown.js';
import { runBlock } from './support/run-block.js';

describe('docs/in-code.md', () => {
  it('has a job that is corrected in both directions, and given back when it fails', async () => {
    const { Reports } = await runBlock<{
      Reports: new (limiter: RateLimiter) => { make(customer: string): Promise<number> };
    }>(blockWith('limiter.settle(', 'docs/in-code.md'));
    const clock = new ManualClock();
    const limiter = new RateLimiter(new MemoryStorage({ clock }), [
      new Policy({ name: 'rows', capacity: 10_000, perSeconds: 3600, maxDebt: 5000 }),
    ]);
    const left = async () => (await limiter.peek({ policy: 'rows', subject: 'customer:7' })).remaining;
    const reports = new Reports(limiter);
    const build = jest.spyOn(reports as unknown as { build(): Promise<unknown[]> }, 'build');
    build.mockResolvedValueOnce(Array.from({ length: 200 }));
    expect(await reports.make('7')).toBe(200);
    expect(await left()).toBe(9800);
    build.mockResolvedValueOnce(Array.from({ length: 4800 }));
    await reports.make('7');
    expect(await left()).toBe(5000);
    build.mockRejectedValueOnce(new Error('no database'));
    await expect(reports.make('7')).rejects.toThrow('no database');
    expect(await left()).toBe(5000);
    build.mockResolvedValueOnce(Array.from({ length: 9000 }));
    await reports.make('7');
    await expect(reports.make('7')).rejects.toThrow(/in 18\d\d seconds/);
  });
});
