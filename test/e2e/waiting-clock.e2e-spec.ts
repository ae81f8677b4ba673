import { setImmediate as turn } from 'node:timers/promises';
import { Controller, Get, Inject, Injectable, Query } from '@nestjs/common';
import {
  everyone,
  InjectRateLimiter,
  LimiterClosedError,
  PolicyLimiter,
  RateLimit,
  RateLimitModule,
  RateLimitOverrides,
  WaitForRateLimit,
} from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import { ManualClock, withManualClock } from 'nestjs-token-bucket/testing';
import { blockWith } from '../docs/support/markdown.js';
import { runBlock } from '../docs/support/run-block.js';
import { type Platform, PLATFORMS, type RunningApp } from './support/app.js';
import { remaining } from './support/fields.js';
import { useApps } from './support/lanes.js';

const HOUR_MS = 3_600_000;
/** More tokens than a wait of two hours could be counted for. */
const HUGE = { capacity: 2_251_799_813, refillTokens: 1, refillSeconds: 1 };

let clock: ManualClock;
let startMicros: number;
/** Who has gone, and how many milliseconds after the start. */
let went: (readonly [id: string, afterMs: number])[];
beforeEach(() => {
  clock = new ManualClock();
  startMicros = clock.nowMicros();
  went = [];
});

function go(id: string): string {
  went.push([id, (clock.nowMicros() - startMicros) / 1000]);
  return id;
}

@Injectable()
class Carrier {
  constructor(@InjectRateLimiter('line') readonly limiter: PolicyLimiter) {}

  @WaitForRateLimit('carrier')
  async find(id: string): Promise<string> {
    return go(id);
  }
}

@Controller()
class QueueController {
  constructor(@Inject(Carrier) private readonly carrier: Carrier) {}

  @Get('line') @RateLimit('line') line(@Query('id') id: string): string {
    return go(id);
  }

  @Get('parcels') parcels(@Query('id') id: string): Promise<string> {
    return this.carrier.find(id);
  }
}

const start = useApps();

const startWithClock = (platform?: Platform): Promise<RunningApp> =>
  start({
    platform,
    imports: [
      RateLimitModule.forRoot({
        // Of which nothing is asked.
        storage: new RedisStorage({ url: 'redis://127.0.0.1:1' }),
        overrides: true,
        policies: {
          line: { capacity: 1, perSeconds: 3600, by: everyone(), onExceeded: 'wait', maxWaitMs: 2 * HOUR_MS },
          carrier: { capacity: 1, refillTokens: 64, refillSeconds: 1 },
        },
      }),
    ],
    controllers: [QueueController],
    providers: [Carrier],
    override: (builder) => withManualClock(builder, clock),
  });

/** Until so many wait in the line, as its bucket tells: each is charged at once. */
async function untilInLine({ app }: RunningApp, waiting: number): Promise<void> {
  const { limiter } = app.get(Carrier);
  while ((await limiter.peek('everyone')).retryAfterMs < (waiting + 1) * HOUR_MS) await turn();
  // Charged, and on the way into the line.
  await turn();
}

describe.each(PLATFORMS)('Requests that wait, by the clock of a test, on %s', (platform) => {
  it('go when it is moved as far as their tokens, one after the other', async () => {
    const app = await startWithClock(platform);
    const answers = ['a', 'b', 'c'].map(async (id) => (await app.get(`/line?id=${id}`)).text());
    await Promise.race(answers);
    await untilInLine(app, 2);
    clock.advanceMs(HOUR_MS - 0.001);
    await turn();
    expect(went.map(([, afterMs]) => afterMs)).toEqual([0]);
    clock.advanceMs(0.001);
    while (went.length < 2) await turn();
    clock.advanceMs(HOUR_MS);
    const ids = await Promise.all(answers);
    expect(ids).toEqual(['a', 'b', 'c']);
    expect(went.map(([, afterMs]) => afterMs)).toEqual([0, HOUR_MS, 2 * HOUR_MS]);
    expect(went.map(([id]) => id).toSorted()).toEqual(ids);
  });

  it('all go in one step that is long enough', async () => {
    const app = await startWithClock(platform);
    const answers = ['a', 'b', 'c'].map((id) => app.get(`/line?id=${id}`));
    await untilInLine(app, 2);
    clock.advanceMs(5 * HOUR_MS);
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('go at their times while time passes until all are answered', async () => {
    const app = await startWithClock(platform);
    const answers = await clock.advanceUntil(Promise.all(['a', 'b', 'c'].map((id) => app.get(`/line?id=${id}`))));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(went.map(([, afterMs]) => afterMs)).toEqual([0, HOUR_MS, 2 * HOUR_MS]);
  });

  it('are told its time when the line is too long', async () => {
    const app = await startWithClock(platform);
    const answers = ['a', 'b', 'c'].map((id) => app.get(`/line?id=${id}`));
    await untilInLine(app, 2);
    const refused = await app.get('/line?id=d');
    expect([refused.status, refused.headers.get('Retry-After'), remaining(refused, 'line')]).toEqual([429, '3600', 0]);
    expect(refused.headers.get('X-RateLimit-Reset')).toBe(String(startMicros / 1_000_000 + 3600));
    await clock.advanceUntil(Promise.all(answers));
  });

  it('wait as long as can be counted where numbers of run time cannot count as far as the limit says', async () => {
    const app = await startWithClock(platform);
    await app.app.get(RateLimitOverrides).set('line', 'everyone', HUGE);
    const answers = await Promise.all(['a', 'b', 'c'].map((id) => app.get(`/line?id=${id}`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });
});

describe('Calls that wait in code, by the clock of a test', () => {
  it('go when it is moved as far as their tokens: wait', async () => {
    const { limiter } = (await startWithClock()).app.get(Carrier);
    const calls = ['a', 'b', 'c'].map(async (id) => {
      const { allowed } = await limiter.wait('tenant:7');
      return allowed && go(id);
    });
    await calls[0];
    await turn();
    clock.advanceMs(HOUR_MS - 1);
    await turn();
    expect(went).toEqual([['a', 0]]);
    clock.advanceMs(1);
    expect(await calls[1]).toBe('b');
    expect(await clock.advanceUntil(Promise.all(calls))).toEqual(['a', 'b', 'c']);
    expect(went).toEqual([
      ['a', 0],
      ['b', HOUR_MS],
      ['c', 2 * HOUR_MS],
    ]);
  });

  it('go when it is moved as far as their tokens: schedule', async () => {
    const { limiter } = (await startWithClock()).app.get(Carrier);
    const scheduled = Promise.all(['a', 'b', 'c'].map((id) => limiter.schedule(() => go(id))));
    expect(await clock.advanceUntil(scheduled)).toEqual(['a', 'b', 'c']);
    expect(went).toEqual([
      ['a', 0],
      ['b', HOUR_MS],
      ['c', 2 * HOUR_MS],
    ]);
  });

  it('go when it is moved as far as their tokens, to the microsecond: @WaitForRateLimit', async () => {
    const app = await startWithClock();
    const answers = Promise.all(['a', 'b', 'c', 'd'].map((id) => app.get(`/parcels?id=${id}`)));
    expect((await clock.advanceUntil(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(went.map(([, afterMs]) => afterMs)).toEqual([0, 15.625, 31.25, 46.875]);
  });

  it('share one line with requests', async () => {
    const app = await startWithClock();
    const { limiter } = app.app.get(Carrier);
    expect((await app.get('/line?id=a')).status).toBe(200);
    const call = limiter.schedule(() => go('b'));
    await clock.advanceUntil(Promise.all([app.get('/line?id=c'), call]));
    expect(went).toEqual([
      ['a', 0],
      ['b', HOUR_MS],
      ['c', 2 * HOUR_MS],
    ]);
  });

  it('are sent away when the application closes', async () => {
    const app = await startWithClock();
    const { limiter } = app.app.get(Carrier);
    await limiter.wait('tenant:7');
    const sentAway = limiter.wait('tenant:7').catch((error: unknown) => error);
    await turn();
    await app.close();
    expect(await sentAway).toBeInstanceOf(LimiterClosedError);
  });
});

it('The example of docs/testing.md says the hours at which calls go', async () => {
  const block = blockWith('clock.advanceUntil(', 'docs/testing.md');
  expect((await runBlock<{ hours: readonly number[] }>(block)).hours).toEqual([0, 1, 2]);
});
