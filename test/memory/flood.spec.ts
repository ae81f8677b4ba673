import { inChild } from './support/child.js';

interface Flood {
  readonly mostBytes: number;
  readonly mostKeys: number;
  readonly denied: number;
}

const BYTES_PER_KEY = 250;

describe('keys that never come back', () => {
  it.each([
    ['10 000 000 at a cap of 200 000', 10_000_000, 200_000, 200_000, 60],
    ['3 000 000 at the default cap, with remainders', 3_000_000, 0, 1_000_000, 7],
  ])(
    '%s: memory stays within 250 bytes a key, nothing fails, and the process ends by itself',
    (_, keys, maxKeys, cap, capacity) => {
      const { mostBytes, mostKeys, denied } = inChild('flood.mjs', [keys, maxKeys, capacity]) as Flood;
      expect(mostKeys).toBe(cap);
      expect(denied).toBe(0);
      expect(mostBytes).toBeLessThan(cap * BYTES_PER_KEY);
    },
    120_000,
  );
});
