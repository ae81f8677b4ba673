import { Controller, Get, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { MemoryStorage, RateLimiter, RateLimitModule, RateLimitStorage } from 'nestjs-token-bucket';
import { admitted, stillStorage } from './support/admission.js';
import { createApp, startError } from './support/app.js';
import { remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';

@Controller('reports')
class ReportsController {
  @Get() list(): string {
    return 'the default';
  }
}

/** The default with a refill that no test lives to see. */
const SLOW = { capacity: 3, perSeconds: 86_400 };

/** Tells when it is opened and closed. */
class WatchedStorage extends MemoryStorage {
  readonly events: string[] = [];

  override open(): void {
    super.open();
    this.events.push('open');
  }

  override close(): void {
    super.close();
    this.events.push('close');
  }
}

describe('The storage of an application', () => {
  const start = useApps();
  const controllers = [ReportsController];
  const settings = (storage?: RateLimitStorage) => ({
    imports: [RateLimitModule.forRoot(storage === undefined ? { default: SLOW } : { storage, default: SLOW })],
    controllers,
  });

  it('is memory of its own where none is given, also for applications of one definition', async () => {
    const definition = settings();
    const one = await start(definition);
    const other = await start(definition);
    expect(await admitted(one, '/reports', 5)).toBe(3);
    expect(await admitted(other, '/reports', 5)).toBe(3);
    expect(one.app.get(RateLimitStorage)).toBeInstanceOf(MemoryStorage);
    expect(one.app.get(RateLimitStorage)).not.toBe(other.app.get(RateLimitStorage));
  });

  it('is the one that is given, whose buckets all its applications share', async () => {
    const storage = stillStorage();
    const one = await start(settings(storage));
    const other = await start(settings(storage));
    expect(await admitted(one, '/reports', 2)).toBe(2);
    expect(await admitted(other, '/reports', 5)).toBe(1);
    expect(storage.size).toBe(1);
  });

  it('can be replaced in tests, for guard and RateLimiter alike', async () => {
    const given = stillStorage();
    const replacement = new WatchedStorage();
    const app = await start({
      ...settings(given),
      override: (builder) => builder.overrideProvider(RateLimitStorage).useValue(replacement),
    });
    expect(remaining(await app.get('/reports'))).toBe(2);
    expect(app.app.get(RateLimiter).storage).toBe(replacement);
    expect([replacement.size, given.size]).toEqual([1, 0]);
    expect(replacement.events).toEqual(['open']);
  });

  it('is opened when the application starts, not when it is made, and closed with it', async () => {
    const storage = new WatchedStorage();
    const app = await createApp(settings(storage));
    expect(storage.events).toEqual([]);
    await app.init();
    expect(storage.events).toEqual(['open']);
    await app.close();
    expect(storage.events).toEqual(['open', 'close']);
  });

  it('is not closed by an application that never started', async () => {
    const storage = new WatchedStorage();
    const app = await createApp(settings(storage));
    await app.close();
    expect(storage.events).toEqual([]);
  });

  it('is open before the application has started', async () => {
    const events: string[] = [];
    const storage = Object.assign(stillStorage(), {
      async open(): Promise<void> {
        events.push('opening');
        // More turns of the event loop than the rest of the start takes.
        for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
        events.push('open');
      },
    });
    const app = await createApp(settings(storage));
    await app.init();
    events.push('started');
    expect(events).toEqual(['opening', 'open', 'started']);
    await app.close();
  });

  it('is open before providers of any module are initialised, so that they can ask the RateLimiter', async () => {
    const storage = new WatchedStorage();
    @Injectable()
    class WarmUp implements OnModuleInit {
      constructor(readonly limiter: RateLimiter) {}

      onModuleInit(): void {
        storage.events.push('warm up');
      }
    }
    @Module({ providers: [WarmUp] })
    class InnerModule {}
    @Module({ imports: [InnerModule] })
    class OuterModule {}
    const { imports } = settings(storage);
    await start({ imports: [OuterModule, ...imports], controllers });
    expect(storage.events).toEqual(['open', 'warm up']);
  });

  it('keeps the application from starting when it cannot be opened, and is not closed then', async () => {
    class BrokenStorage extends WatchedStorage {
      override open(): never {
        throw new Error('no connection');
      }
    }
    const storage = new BrokenStorage();
    expect((await startError(settings(storage))).message).toBe('no connection');
    expect(storage.events).toEqual([]);
  });

  it('is opened and closed once by each of the applications that share it, and can be opened again', async () => {
    const storage = new WatchedStorage();
    const one = await createApp(settings(storage));
    const other = await start(settings(storage));
    await one.init();
    expect(storage.events).toEqual(['open', 'open']);
    expect(await admitted(other, '/reports', 1)).toBe(1);
    await one.close();
    expect(storage.events).toEqual(['open', 'open', 'close']);
    expect(await admitted(other, '/reports', 1)).toBe(1);
    await other.close();
    expect(storage.events).toEqual(['open', 'open', 'close', 'close']);

    const third = await start(settings(storage));
    expect(await admitted(third, '/reports', 5)).toBe(1);
    expect(storage.events).toEqual(['open', 'open', 'close', 'close', 'open']);
  });
});
