import * as fc from 'fast-check';
import { TopCounts } from './top-counts.js';

describe('TopCounts', () => {
  it('counts exactly while there is room', () => {
    const counts = new TopCounts(3);
    for (const key of ['a', 'b', 'a', 'c', 'b', 'a']) counts.add(key);
    expect(counts.top(2)).toEqual([
      ['a', 3],
      ['b', 2],
    ]);
    expect(counts.areLowered).toBe(false);
    counts.clear();
    expect(counts.top(9)).toEqual([]);
  });

  it('keeps whoever makes more than n ÷ (most + 1), never counts too much, and never keeps more than it may', () => {
    const keys = fc.array(fc.nat(12), { maxLength: 400 });
    fc.assert(
      fc.property(keys, fc.integer({ min: 1, max: 6 }), (sequence, most) => {
        const counts = new TopCounts(most);
        const truth = new Map<string, number>();
        for (const key of sequence.map(String)) {
          counts.add(key);
          truth.set(key, (truth.get(key) ?? 0) + 1);
          expect(counts.size).toBeLessThanOrEqual(most);
        }
        const kept = new Map(counts.top(most));
        const lost = sequence.length / (most + 1);
        for (const [key, times] of truth) {
          if (times > lost) expect(kept.has(key)).toBe(true);
          expect(kept.get(key) ?? 0).toBeLessThanOrEqual(times);
          expect(times - (kept.get(key) ?? 0)).toBeLessThanOrEqual(lost);
          if (!counts.areLowered) expect(kept.get(key)).toBe(times);
        }
      }),
    );
  });
});
