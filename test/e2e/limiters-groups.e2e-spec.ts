import { type INestApplication, Injectable, type Type } from '@nestjs/common';
import {
  getRateLimiterToken,
  InjectRateLimiter,
  MemoryStorage,
  PolicyLimiter,
  RateLimitConfigurationError,
  RateLimitModule,
  type RateLimitModuleOptions,
  WaitForRateLimit,
} from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { createApp } from './support/app.js';
import { expectMistake, type MistakeRow, withOptions } from './support/mistakes.js';

const POLICIES = {
  calls: '2/second; 3/minute',
  plans: { tiers: { free: '1/minute', pro: '2/second; 10/minute' }, tier: () => 'free' },
  made: () => '5/minute',
} as const;
const ADA = 'user:ada';

@Injectable()
class Caller {
  constructor(
    @InjectRateLimiter('calls') readonly limiter: PolicyLimiter,
    @InjectRateLimiter('calls.minute') readonly minute: PolicyLimiter,
  ) {}
}

const settings = (provider: Type, options?: RateLimitModuleOptions) => ({
  imports: [RateLimitModule.forRoot({ policies: { calls: POLICIES.calls }, ...options })],
  providers: [provider],
});

describe('A limiter of a group', () => {
  const clock = new ManualClock();
  const storage = new MemoryStorage({ clock });
  let app: INestApplication;
  let limiter: PolicyLimiter;
  let minute: PolicyLimiter;
  beforeEach(async () => {
    app = await createApp(settings(Caller, { storage }));
    await app.init();
    ({ limiter, minute } = app.get(Caller));
  });
  afterEach(async () => {
    await limiter.reset(ADA);
    await app.close();
    jest.restoreAllMocks();
  });
  const left = async () => (await limiter.peek(ADA)).policies.map(({ remaining }) => remaining);

  it('is injected by the name of the group, and makes all its policies ones that are used', () => {
    expect(limiter).toBeInstanceOf(PolicyLimiter);
    expect(limiter.policies.map(({ name }) => name)).toEqual(['calls.second', 'calls.minute']);
    expect(app.get(getRateLimiterToken('calls'))).toBe(limiter);
    expect(minute.policies).toEqual([limiter.policies[1]]);
  });

  it('takes from all of them or from none', async () => {
    expect((await limiter.consume(ADA, 2)).allowed).toBe(true);
    expect(await left()).toEqual([0, 1]);
    clock.advanceMs(1000);
    const refused = await limiter.consume(ADA, 2);
    expect([refused.allowed, refused.mostRestrictive.policy.name]).toEqual([false, 'calls.minute']);
    expect(await left()).toEqual([2, 1]);
  });

  it('asks the storage once for all of them', async () => {
    const asked = [jest.spyOn(storage, 'consume'), jest.spyOn(storage, 'peek'), jest.spyOn(storage, 'refund')] as const;
    const resets = jest.spyOn(storage, 'reset');
    const { receipts } = await limiter.consume(ADA);
    await limiter.peek(ADA);
    expect(receipts).toHaveLength(1);
    await limiter.refund(receipts[0]!);
    await limiter.reset(ADA);
    for (const spy of [...asked, resets]) expect(spy).toHaveBeenCalledTimes(1);
    expect(resets.mock.calls[0]![0].map(({ policy }) => policy.name)).toEqual(['calls.second', 'calls.minute']);
  });

  it('gives back to all of them, and makes all of them full', async () => {
    const { receipts } = await limiter.consume(ADA, 2);
    expect(await limiter.refund(receipts[0]!)).toBe(true);
    expect(await left()).toEqual([2, 3]);
    await limiter.consume(ADA, 2);
    await limiter.reset(ADA);
    expect(await left()).toEqual([2, 3]);
  });

  it('shares its buckets with the limiters of its policies', async () => {
    await minute.consume(ADA, 3);
    expect((await limiter.consume(ADA)).allowed).toBe(false);
    expect(await left()).toEqual([2, 0]);
  });

  it('cannot be waited for, and says what can', async () => {
    const message =
      '"calls.second", "calls.minute" are several policies, whose tokens cannot be reserved for one time. Remedy: wait for ' +
      'one policy that keeps within all of them';
    const waits = limiter.wait(ADA);
    await expect(waits).rejects.toBeInstanceOf(RateLimitConfigurationError);
    await expect(waits).rejects.toThrow(`Waiting for policies "calls.second", "calls.minute": ${message}`);
    const run = jest.fn();
    await expect(limiter.schedule(run, { subject: ADA })).rejects.toThrow(message);
    expect(run).not.toHaveBeenCalled();
    expect(await left()).toEqual([2, 3]);
  });
});

describe('Names in code', () => {
  const named = (name: string): Type => {
    @Injectable()
    class Sender {
      @InjectRateLimiter(name) readonly limiter!: PolicyLimiter;
    }
    return Sender;
  };
  const namesOf = async (name: string, options: RateLimitModuleOptions) => {
    const app = await createApp(settings(named(name), options));
    await app.init();
    const { policies } = app.get<PolicyLimiter>(getRateLimiterToken(name));
    await app.close();
    return policies.map((policy) => policy.name);
  };

  it('may be that of a tier with several limits, and that of the default', async () => {
    const { plans } = POLICIES;
    expect(await namesOf('plans.pro', { policies: { plans } })).toEqual(['plans.pro.second', 'plans.pro.minute']);
    expect(await namesOf('plans.free', { policies: { plans } })).toEqual(['plans.free']);
    expect(await namesOf('default', { default: '2/second; 9/minute', policies: {} })).toEqual([
      'default.second',
      'default.minute',
    ]);
  });

  const at = '@InjectRateLimiter on Sender.limiter';
  const rows: MistakeRow[] = [
    [
      'of all tiers',
      () => settings(named('plans'), { policies: { plans: POLICIES.plans } }),
      at,
      'unknown policy "plans"',
      'it is several policies; name one of them (declared: "plans.free", "plans.pro.second", "plans.pro.minute", "plans.pro")',
    ],
    [
      'of numbers that a request decides',
      () => settings(named('made'), { policies: { made: POLICIES.made } }),
      at,
      'a request decides the numbers of policy "made", and in code there is none',
      'state the numbers, or use tiers',
    ],
    [
      'of nothing',
      () => settings(named('call')),
      at,
      'unknown policy "call"',
      'declare it under policies in RateLimitModule.forRoot (declared: "calls.second", "calls.minute", "calls")',
    ],
    [
      'of two things',
      () => withOptions({ default: { limits: '1/second; 5/minute', name: 'calls' }, policies: { calls: '3/second' } }),
      'RateLimitModule.forRoot policies.calls',
      '"calls" is declared twice, here and at RateLimitModule.forRoot default',
      'rename one of them',
    ],
    [
      'of a group, by a method that waits',
      () => {
        class Sender {
          @WaitForRateLimit('calls')
          async send(): Promise<void> {}
        }
        return settings(Sender);
      },
      '@WaitForRateLimit on Sender.send',
      '"calls.second", "calls.minute" are several policies, whose tokens cannot be reserved for one time',
      'wait for one policy that keeps within all of them',
    ],
  ];
  it.each(rows)('keep the application from starting: %s', expectMistake);
});
