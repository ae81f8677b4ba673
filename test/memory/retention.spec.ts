import { inChild } from './support/child.js';

interface Kept {
  readonly sliced: number;
  readonly prefixed: number;
  readonly policies: number;
  readonly context: boolean;
  readonly keys: number;
}

describe('what a memory storage keeps alive', () => {
  let kept: Kept;
  beforeAll(() => {
    kept = inChild('retention.mjs') as Kept;
  });

  it('not the header line of 16 kB that a subject was cut out of', () => {
    // A bucket is some hundred bytes; the line it was cut out of would be 16 384.
    expect(kept.sliced).toBeLessThan(1000);
    expect(kept.prefixed).toBeLessThan(1000);
  });

  it('not the policies whose buckets are full', () => {
    expect(kept.policies).toBeLessThan(200);
  });

  it('not the async context of the request that opened it', () => {
    expect(kept.context).toBe(false);
  });

  it('the buckets, though', () => {
    expect(kept.keys).toBe(4001);
  });
});
