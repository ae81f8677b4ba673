import { Controller, Get } from '@nestjs/common';
import {
  type BucketRequest,
  InvalidChargeError,
  RateLimit,
  RateLimiter,
  RateLimitModule,
  SkipRateLimit,
} from 'nestjs-token-bucket';
import { admitted, stillStorage } from './support/admission.js';
import type { RunningApp } from './support/app.js';
import { remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';

const POLICIES = ['wide', 'narrow', 'dear'] as const;
const SUBJECT = 'ip:203.0.113.1';

@Controller()
class ExportsController {
  constructor(private readonly limiter: RateLimiter) {}

  @Get('all')
  @RateLimit('wide')
  @RateLimit('narrow')
  @RateLimit('dear', { cost: 4 })
  all(): string {
    return 'three policies';
  }

  @Get('wide') @RateLimit('wide') wide(): string {
    return 'one policy';
  }

  @Get('left')
  @SkipRateLimit()
  async left(): Promise<readonly number[]> {
    const decision = await this.limiter.peek(POLICIES.map((policy) => ({ policy, subject: SUBJECT })));
    return decision.policies.map((one) => one.remaining);
  }
}

describe('All limits of a request or none', () => {
  const start = useApps();
  const startExports = () =>
    start({
      imports: [
        RateLimitModule.forRoot({
          storage: stillStorage(),
          policies: {
            wide: { capacity: 100, perSeconds: 60 },
            narrow: { capacity: 2, perSeconds: 60 },
            dear: { capacity: 11, perSeconds: 60 },
          },
        }),
      ],
      controllers: [ExportsController],
    });
  const left = async ({ get }: RunningApp): Promise<unknown> => (await get('/left')).json();

  it('charges every policy of an admitted request', async () => {
    const app = await startExports();
    expect(await left(app)).toEqual([100, 2, 11]);
    expect(await admitted(app, '/all', 1)).toBe(1);
    expect(await left(app)).toEqual([99, 1, 7]);
  });

  it('charges no policy of a request that one of them refuses', async () => {
    const app = await startExports();
    expect(await admitted(app, '/all', 2)).toBe(2);
    expect(await left(app)).toEqual([98, 0, 3]);
    expect(await admitted(app, '/all', 5)).toBe(0);
    expect(await left(app)).toEqual([98, 0, 3]);
    expect(remaining(await app.get('/wide'), 'wide')).toBe(97);
  });

  it('charges no policy of a request that a later one of them refuses for its cost', async () => {
    const app = await startExports();
    const limiter = app.app.get(RateLimiter);
    await limiter.consume({ policy: 'dear', subject: SUBJECT, cost: 8 });
    expect(await admitted(app, '/all', 5)).toBe(0);
    expect(await left(app)).toEqual([100, 2, 3]);
  });

  it('leaves other clients alone when it refuses one', async () => {
    const app = await startExports();
    expect(await admitted(app, '/all', 5, '203.0.113.9')).toBe(2);
    expect(await left(app)).toEqual([100, 2, 11]);
    expect(await admitted(app, '/all', 5)).toBe(2);
  });

  describe('asked by code', () => {
    const bucket: BucketRequest = { policy: 'dear', subject: SUBJECT };

    it('adds up charges on one bucket before it decides', async () => {
      const app = await startExports();
      const limiter = app.app.get(RateLimiter);
      const decision = await limiter.consume([
        { ...bucket, cost: 3 },
        { policy: 'wide', subject: SUBJECT },
        { ...bucket, cost: 2 },
      ]);
      expect(decision.allowed).toBe(true);
      expect(decision.policies.map(({ policy, cost, remaining }) => [policy.name, cost, remaining])).toEqual([
        ['dear', 5, 6],
        ['wide', 1, 99],
      ]);
      expect(await left(app)).toEqual([99, 2, 6]);
    });

    it('refuses charges on one bucket that only fit one by one, and takes nothing', async () => {
      const app = await startExports();
      const limiter = app.app.get(RateLimiter);
      const decision = await limiter.consume([
        { ...bucket, cost: 6 },
        { ...bucket, cost: 6 },
      ]);
      expect(decision.allowed).toBe(false);
      expect(await left(app)).toEqual([100, 2, 11]);
      expect((await limiter.consume({ ...bucket, cost: 6 })).allowed).toBe(true);
    });

    it('takes nothing when one of the charges cannot be asked for', async () => {
      const app = await startExports();
      const limiter = app.app.get(RateLimiter);
      const fractional = () => limiter.consume([bucket, { policy: 'wide', subject: SUBJECT, cost: 0.5 }]);
      expect(fractional).toThrow(InvalidChargeError);
      const unknown = () => limiter.consume([bucket, { policy: 'wider', subject: SUBJECT }]);
      expect(unknown).toThrow('Unknown policy "wider". Declared are "wide", "narrow", "dear"');
      expect(await left(app)).toEqual([100, 2, 11]);
    });
  });
});
