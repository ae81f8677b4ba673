import { Inject, Injectable, type INestApplication, Module, SetMetadata } from '@nestjs/common';
import {
  type BucketShape,
  getRateLimiterToken,
  InjectRateLimiter,
  InvalidChargeError,
  LimiterClosedError,
  MemoryStorage,
  PolicyLimiter,
  RateLimitModule,
  type RateLimitModuleOptions,
  WaitForRateLimit,
  WaitTooLongError,
} from 'nestjs-token-bucket';
import { type AppSettings, createApp } from './support/app.js';
import { expectMistake, type MistakeRow } from './support/mistakes.js';

const POLICIES = {
  carrier: { capacity: 2, perSeconds: 2 },
  mails: { capacity: 1, perSeconds: 10 },
};

@Injectable()
class Mailer {
  @InjectRateLimiter('carrier') readonly carrier!: PolicyLimiter;

  constructor(@InjectRateLimiter('mails') readonly mails: PolicyLimiter) {}
}

@Injectable()
class Parcels {
  readonly asked: string[] = [];

  constructor(@Inject(Mailer) readonly mailer: Mailer) {}

  @SetMetadata('below', 'kept')
  @WaitForRateLimit('carrier')
  @SetMetadata('beneath', 'kept')
  async find(id: string): Promise<string> {
    this.asked.push(id);
    return `parcel ${id}`;
  }

  @WaitForRateLimit('mails', {
    subject: (tenant: string) => `tenant:${tenant}`,
    signal: (_tenant: string, signal?: AbortSignal) => signal,
    maxWaitMs: 15_000,
  })
  async tell(tenant: string, _signal?: AbortSignal): Promise<string> {
    this.asked.push(tenant);
    return tenant;
  }
}

@Injectable()
class FastParcels extends Parcels {
  constructor(@Inject(Mailer) mailer: Mailer) {
    super(mailer);
  }

  override async find(id: string): Promise<string> {
    return `fast ${await super.find(id)}`;
  }
}

const PROVIDERS = [Mailer, Parcels, FastParcels];

const ways: [string, (options?: RateLimitModuleOptions) => AppSettings][] = [
  ['forRoot', (options) => ({ imports: [RateLimitModule.forRoot({ policies: POLICIES, ...options })] })],
  [
    'forRootAsync',
    (options) => ({
      imports: [RateLimitModule.forRootAsync({ useFactory: async () => ({ policies: POLICIES, ...options }) })],
    }),
  ],
];

/** Many turns of the promises that lead from a call to its storage and back. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
}

describe.each(ways)('A limiter that is injected by the name of its policy: %s', (_way, settings) => {
  let app: INestApplication;
  const start = async (more: AppSettings = { providers: PROVIDERS }, options?: RateLimitModuleOptions) => {
    app = await createApp({ ...settings(options), ...more });
    await app.init();
    return app;
  };
  beforeEach(() => jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] }));
  afterEach(async () => {
    jest.useRealTimers();
    await app.close();
  });

  it('is bound to it, and makes the policy one that is used', async () => {
    await start();
    const { mails, carrier } = app.get(Mailer);
    expect(mails).toBeInstanceOf(PolicyLimiter);
    expect([mails.policies[0]!.name, carrier.policies[0]!.capacity]).toEqual(['mails', 2]);
    expect((await mails.consume('mail:ada')).allowed).toBe(true);
    expect((await mails.peek('mail:ada')).retryAfterMs).toBe(10_000);
    expect((await mails.consume('mail:ada')).allowed).toBe(false);
    await mails.reset('mail:ada');
    const { receipts } = await mails.consume('mail:ada');
    expect(await mails.refund(receipts[0]!)).toBe(true);
    expect((await mails.consume('mail:ada')).allowed).toBe(true);
  });

  it('is the same wherever it is injected, also in modules that import nothing and in factories', async () => {
    @Module({
      providers: [
        { provide: 'factory', useFactory: (limiter: PolicyLimiter) => limiter, inject: [getRateLimiterToken('mails')] },
        Mailer,
      ],
      exports: ['factory', Mailer],
    })
    class MailModule {}
    const { imports } = settings();
    await start({ imports: [...imports!, MailModule], providers: [] });
    expect(app.get('factory')).toBe(app.get(Mailer).mails);
    expect(app.get(getRateLimiterToken('mails'))).toBe(app.get(Mailer).mails);
  });

  it('makes the calls of a method wait, in the order in which they come', async () => {
    await start();
    const parcels = app.get(Parcels);
    const answers = ['a', 'b', 'c', 'd'].map((id) => parcels.find(id));
    await quiet();
    expect(parcels.asked).toEqual(['a', 'b']);
    await jest.advanceTimersByTimeAsync(998);
    expect(parcels.asked).toEqual(['a', 'b']);
    await jest.advanceTimersByTimeAsync(4);
    expect(parcels.asked).toEqual(['a', 'b', 'c']);
    await jest.advanceTimersByTimeAsync(1000);
    expect(await Promise.all(answers)).toEqual(['parcel a', 'parcel b', 'parcel c', 'parcel d']);
  });

  it('leaves the method its name and what other decorators wrote onto it', () => {
    const find = (Parcels.prototype as unknown as Record<'find', (...args: unknown[]) => unknown>)['find'];
    expect([find.name, find.length]).toEqual(['find', 1]);
    expect([Reflect.getMetadata('below', find), Reflect.getMetadata('beneath', find)]).toEqual(['kept', 'kept']);
    return start();
  });

  it('also waits in a class that extends the one with the decorator', async () => {
    await start();
    const [parcels, fast] = [app.get(Parcels), app.get(FastParcels)];
    const answers = [parcels.find('a'), fast.find('b'), fast.find('c')];
    await quiet();
    expect([parcels.asked, fast.asked]).toEqual([['a'], ['b']]);
    await jest.advanceTimersByTimeAsync(1002);
    expect(await Promise.all(answers)).toEqual(['parcel a', 'fast parcel b', 'fast parcel c']);
  });

  it('can have a bucket for each of the arguments, an end and a longest wait', async () => {
    await start();
    const parcels = app.get(Parcels);
    const leaving = new AbortController();
    void parcels.tell('one');
    const left = parcels.tell('one', leaving.signal);
    await quiet();
    const refused = parcels.tell('one');
    await expect(refused).rejects.toThrow(WaitTooLongError);
    await expect(refused).rejects.toMatchObject({ retryAfterMs: 5000 });
    void parcels.tell('two');
    await quiet();
    expect(parcels.asked).toEqual(['one', 'two']);
    leaving.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    const next = parcels.tell('one');
    await jest.advanceTimersByTimeAsync(10_002);
    expect(await next).toBe('one');
  });

  it.each([undefined, null, NaN, 0, '2'])(
    'says so where a function gives a call the cost %p, and takes nothing',
    async (cost) => {
      @Injectable()
      class Batches {
        @WaitForRateLimit('carrier', { cost: (given: unknown) => given as number })
        async send(_given: unknown): Promise<void> {}
      }
      await start({ providers: [Batches, Mailer] });
      const sent = app.get(Batches).send(cost);
      await expect(sent).rejects.toThrow(InvalidChargeError);
      await expect(sent).rejects.toThrow(
        /^@WaitForRateLimit on Batches\.send: cost gave .* for a call; .* Remedy: make it give one/,
      );
      expect((await app.get(Mailer).carrier.peek('everyone')).remaining).toBe(2);
    },
  );

  it('says so where the object of the method was not made by Nest', async () => {
    await start();
    await expect(new Parcels(app.get(Mailer)).find('a')).rejects.toThrow(
      '@WaitForRateLimit on Parcels.find: the object was not made by Nest',
    );
  });

  it('can be replaced in tests, and the policy still counts as used', async () => {
    const fake = { wait: jest.fn(async () => {}) };
    await start({
      providers: PROVIDERS,
      override: (builder) => builder.overrideProvider(getRateLimiterToken('carrier')).useValue(fake),
    });
    for (const id of ['a', 'b', 'c']) await app.get(Parcels).find(id);
    expect(fake.wait).toHaveBeenCalledTimes(3);
    expect(fake.wait).toHaveBeenLastCalledWith('everyone', {
      cost: undefined,
      signal: undefined,
      maxWaitMs: undefined,
    });
  });

  it('sends away who waits when the application closes, and gives back what was reserved', async () => {
    const storage = new MemoryStorage();
    await start(undefined, { storage });
    const { carrier } = app.get(Mailer);
    const ends = Promise.allSettled(Array.from({ length: 5 }, () => carrier.wait('everyone')));
    await quiet();
    jest.useRealTimers();
    await app.close();
    const outcomes = (await ends).map((end) => (end.status === 'rejected' ? (end.reason as Error).name : 'went'));
    expect(outcomes).toEqual(['went', 'went', ...Array<string>(3).fill(LimiterClosedError.name)]);
    await expect(carrier.wait('everyone')).rejects.toThrow(LimiterClosedError);
    const reply = storage.peek([{ policy: carrier.policies[0]!, subject: 'everyone', cost: 1 }]);
    expect(reply.debtUnits[0]).toBeLessThanOrEqual(carrier.policies[0]!.capacityUnits);
  });
});

describe('An application that names a limiter which nobody declares', () => {
  @Injectable()
  class ByConstructor {
    constructor(@InjectRateLimiter('mail') readonly limiter: PolicyLimiter) {}
  }
  @Injectable()
  class ByProperty {
    @InjectRateLimiter('Mails') readonly limiter!: PolicyLimiter;
  }
  @Injectable()
  class ByMethod {
    @WaitForRateLimit('post')
    async send(): Promise<void> {}
  }
  @Injectable()
  class Heir extends ByMethod {}
  const byFactory = { provide: 'sender', useFactory: () => 1, inject: [getRateLimiterToken('letters')] };

  const app =
    (provider: object, options: RateLimitModuleOptions = { policies: POLICIES }) =>
    () => ({
      imports: [RateLimitModule.forRoot(options)],
      providers: [provider as typeof ByConstructor, Mailer],
    });
  /** A method that waits with these options, and a class that inherits it. */
  function waits(what: string, options: object, problem: string, remedy: string, mails?: BucketShape): MistakeRow {
    const settings = () => {
      class Sender {
        @WaitForRateLimit('mails', options)
        async send(): Promise<void> {}
      }
      class SenderHeir extends Sender {}
      return app(SenderHeir, { policies: { ...POLICIES, ...(mails && { mails }) } })();
    };
    return [`waiting with ${what}`, settings, '@WaitForRateLimit on Sender.send', problem, remedy];
  }
  const declared = 'declare it under policies in RateLimitModule.forRoot (declared: "carrier", "mails")';
  const rows: MistakeRow[] = [
    [
      'by a parameter',
      app(ByConstructor),
      '@InjectRateLimiter on ByConstructor, constructor parameter 1',
      'unknown policy "mail"',
      declared,
    ],
    ['by a property', app(ByProperty), '@InjectRateLimiter on ByProperty.limiter', 'unknown policy "Mails"', declared],
    ['by a method', app(ByMethod), '@WaitForRateLimit on ByMethod.send', 'unknown policy "post"', declared],
    [
      'by a method that it inherits',
      app(Heir),
      '@WaitForRateLimit on ByMethod.send',
      'unknown policy "post"',
      declared,
    ],
    ['by a factory', app(byFactory), 'getRateLimiterToken in inject of sender', 'unknown policy "letters"', declared],
    [
      'in options that come later',
      () => ({
        imports: [RateLimitModule.forRootAsync({ useFactory: async () => ({}) })],
        providers: [ByConstructor],
      }),
      '@InjectRateLimiter on ByConstructor, constructor parameter 1',
      'unknown policy "mail"',
      'declare it under policies in RateLimitModule.forRootAsync (declared: none)',
    ],
    [
      'on a static method',
      () => {
        class Sender {
          readonly name = 'sender';
          @WaitForRateLimit('mails')
          static async send(): Promise<void> {}
        }
        return app(Sender)();
      },
      '@WaitForRateLimit on Sender.send',
      'it stands on what is not a method of an instance',
      'put it on a method of a provider',
    ],
    [
      'with a misspelt option',
      () => {
        class Sender {
          @WaitForRateLimit('mails', { maxWait: 5 } as object)
          async send(): Promise<void> {}
        }
        return app(Sender)();
      },
      '@WaitForRateLimit on Sender.send',
      'unknown option "maxWait"',
      'subject, cost, signal, maxWaitMs',
    ],
    waits('cost 0', { cost: 0 }, 'cost is 0', 'a whole number of tokens, at least 1, or a function of the arguments'),
    waits('a cost that is text', { cost: '2' }, 'cost is "2"', 'at least 1'),
    waits('a cost above the capacity', { cost: 2 }, 'cost is 2, and of policy "mails" at most 1', 'raise the capacity'),
    waits('a negative wait', { maxWaitMs: -1 }, 'maxWaitMs is -1', 'a number of milliseconds, 0 or more'),
    waits('a wait of text', { maxWaitMs: '1s' }, 'maxWaitMs is "1s"', 'a number of milliseconds'),
    waits('a wait that is too long to count', { maxWaitMs: 1e13 }, 'maxWaitMs is 10000000000000', 'lower it'),
    waits('a subject that is nobody', { subject: '' }, 'subject is ""', 'leave it out for one bucket of all calls'),
    waits('a subject that is no text', { subject: 7 }, 'subject is 7', 'a function of the arguments'),
    waits('a signal of all calls', { signal: AbortSignal.abort() }, 'signal is {}', 'signal: (…arguments) => …'),
    waits(
      'a cost that a step may overflow for',
      { cost: 2 },
      'of policy "mails" at most 1 can be waited for, because the tokens of a step',
      'in shorter steps',
      { capacity: 6, perSeconds: 60, algorithm: 'fixed-window' },
    ),
    waits(
      'for what cannot be waited for',
      {},
      'the algorithm of policy "mails" is "sliding-window-log"',
      'use "token-bucket"',
      { capacity: 6, perSeconds: 60, algorithm: 'sliding-window-log' },
    ),
    [
      'waiting for nothing that has a name',
      () => {
        class Sender {
          @WaitForRateLimit('')
          async send(): Promise<void> {}
        }
        return app(Sender)();
      },
      '@WaitForRateLimit on Sender.send',
      'the name of the policy is ""',
      'declared under policies',
    ],
    [
      'without any name',
      () => {
        class Sender {
          @InjectRateLimiter(undefined as never) readonly limiter!: PolicyLimiter;
        }
        return app(Sender)();
      },
      '@InjectRateLimiter',
      'the name of the policy is undefined',
      'declared under policies',
    ],
  ];
  it.each(rows)('does not start: %s', expectMistake);

  it('starts where only classes of other applications name it', async () => {
    const started = await createApp({
      imports: [RateLimitModule.forRoot({ policies: POLICIES })],
      providers: [Mailer],
    });
    await started.init();
    expect(started.get(Mailer).mails.policies[0]!.name).toBe('mails');
    await started.close();
  });
});
