import { setImmediate as turn } from 'node:timers/promises';
import { Controller, type ExecutionContext, Get, Query } from '@nestjs/common';
import {
  type MaybePromise,
  RateLimit,
  RateLimitModule,
  type RateLimitModuleOptions,
  type RateLimitStorage,
  type StorageReply,
} from 'nestjs-token-bucket';
import { SystemClock } from '../../src/core/clock.js';
import type { Platform, RunningApp } from './support/app.js';
import { members, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { expectMistake, type MistakeRow, onMethod, withOptions } from './support/mistakes.js';

const HOUR_MS = 3_600_000;
const SPACED_MICROS = 50_000;
const LONGEST_MICROS = 160_000;
const REQUESTS = 12;

/** By which the line is counted in this process. */
const clock = new SystemClock();
/** Of two clocks that are both rounded to whole microseconds. */
const ROUNDING_MICROS = 2;
/** Who asked for a place in the short line, in that order, and whom the handler has met. */
let asked: string[];
let served: { readonly id: string; readonly atMicros: number }[];
beforeEach(() => {
  asked = [];
  served = [];
});

/** The same for everybody. Asked for just before the bucket is, so that it knows in which order that is. */
function oneLine(context: ExecutionContext): string {
  const { query } = context.switchToHttp().getRequest<{ query: { id: string } }>();
  asked.push(query.id);
  return 'all';
}

@Controller('queue')
class QueueController {
  @Get('short')
  @RateLimit(20, 1, {
    algorithm: 'leaky-bucket',
    onExceeded: 'wait',
    maxWaitMs: LONGEST_MICROS / 1000,
    by: oneLine,
  })
  short(@Query('id') id: string): string {
    served.push({ id, atMicros: clock.nowMicros() });
    return id;
  }

  @Get('long')
  @RateLimit(1, 3600, { name: 'line', onExceeded: 'wait', maxWaitMs: HOUR_MS, message: 'The line is too long' })
  long(): string {
    return 'in an hour';
  }

  @Get('both')
  @RateLimit(5, 3600, { name: 'other' })
  @RateLimit(1, 3600, { name: 'line', id: 'line', onExceeded: 'wait', maxWaitMs: HOUR_MS })
  both(): string {
    return 'after another limit';
  }
}

const start = useApps();

const startQueue = (storage: RateLimitModuleOptions['storage'], platform: Platform): Promise<RunningApp> =>
  start({ platform, imports: [RateLimitModule.forRoot({ storage })], controllers: [QueueController] });

/** What a storage is asked, and when by the clock of this process. */
interface Question {
  readonly askedAtMicros: number;
  readonly reply: MaybePromise<StorageReply>;
}

/** Every question to the storage from now on. */
function watch(storage: RateLimitStorage): readonly Question[] {
  const questions: Question[] = [];
  const consume = storage.consume.bind(storage);
  jest.spyOn(storage, 'consume').mockImplementation((charges) => {
    const question = { askedAtMicros: clock.nowMicros(), reply: consume(charges) };
    questions.push(question);
    return question.reply;
  });
  return questions;
}

/** What the storage said of a place in the short line: how long it waits, and by the storage's clock until when. */
async function placeIn({ askedAtMicros, reply }: Question) {
  const { allowed, nowMicros, debtUnits } = await reply;
  // A leaky bucket holds one token, which takes as long as the space between two. Of a refusal the debt stands as it was.
  const waitMicros = Math.max(0, debtUnits[0]! - (allowed ? SPACED_MICROS : 0));
  return { allowed, askedAtMicros, waitMicros, dueMicros: nowMicros + waitMicros };
}

/** A request that is sent, and whether it has been answered. */
function ask(app: RunningApp, path: string) {
  const leaving = new AbortController();
  const asked = { status: 0, leave: () => leaving.abort() };
  void app.get(path, undefined, { signal: leaving.signal }).then(
    (answer) => (asked.status = answer.status),
    () => (asked.status = -1),
  );
  return asked;
}

describe.each(LANES)('A line of requests on $platform with $storage', ({ platform, storage }) => {
  it('lets go who fits into it, first come, first served, strictly spaced and never early', async () => {
    const kept = makeStorage(storage);
    const app = await startQueue(kept, platform);
    // What is slow the first time would make everybody late, and hide who is early.
    expect((await app.get('/queue/both')).status).toBe(200);
    const questions = watch(kept);
    const ids = Array.from({ length: REQUESTS }, (_, i) => `request-${i}`);
    const answers = await Promise.all(ids.map((id) => app.get(`/queue/short?id=${id}`)));
    const places = await Promise.all(questions.map(placeIn));
    expect(places).toHaveLength(REQUESTS);
    expect(asked.toSorted()).toEqual(ids.toSorted());

    const isAdmitted = new Map(asked.map((id, i) => [id, places[i]!.allowed]));
    expect(answers.map(({ status }) => status)).toEqual(ids.map((id) => (isAdmitted.get(id) === true ? 200 : 429)));
    expect(served.map(({ id }) => id)).toEqual(asked.filter((id) => isAdmitted.get(id)));
    for (const { id, atMicros } of served) {
      const { askedAtMicros, waitMicros } = places[asked.indexOf(id)]!;
      expect(atMicros).toBeGreaterThanOrEqual(askedAtMicros + waitMicros - ROUNDING_MICROS);
    }

    const admitted = places.filter(({ allowed }) => allowed);
    const gaps = admitted.slice(1).map(({ dueMicros }, i) => dueMicros - admitted[i]!.dueMicros);
    // In memory time stands still: one at once, and three within 160 ms. Redis may have had more time than that.
    if (storage === 'memory') expect(gaps).toEqual([SPACED_MICROS, SPACED_MICROS, SPACED_MICROS]);
    expect(admitted.length).toBeGreaterThanOrEqual(4);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(SPACED_MICROS);
    for (const { allowed, waitMicros } of places) expect(waitMicros <= LONGEST_MICROS).toBe(allowed);
    expect(members(answers[0]!, 'RateLimit-Policy')).toEqual({ default: { q: 20, w: 1 } });
  });

  it('refuses the others with the time until it is shorter', async () => {
    const app = await startQueue(makeStorage(storage), platform);
    const refused: Response[] = [];
    // Where time does not stand still, requests that come slowly enough all find a place.
    while (refused.length === 0) {
      const answers = await Promise.all(Array.from({ length: REQUESTS }, (_, i) => app.get(`/queue/short?id=${i}`)));
      refused.push(...answers.filter(({ status }) => status === 429));
    }
    for (const answer of refused) expect(answer.headers.get('Retry-After')).toBe('1');
  });

  it('gives the place of a client that has gone to the next', async () => {
    const kept = makeStorage(storage);
    const givenBack = jest.spyOn(kept, 'cancel').mock.results;
    const app = await startQueue(kept, platform);
    expect((await app.get('/queue/long')).status).toBe(200);
    const waiting = ask(app, '/queue/long');
    let refused = await app.get('/queue/long');
    // The one that waits may still be on its way.
    while (refused.status !== 429) refused = await app.get('/queue/long');
    expect([waiting.status, remaining(refused, 'line')]).toEqual([0, 0]);
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(3590);
    expect(((await refused.json()) as { message: string }).message).toMatch(
      /^The line is too long\. Retry in \d+ seconds\.$/,
    );

    waiting.leave();
    while (givenBack.length === 0) await turn();
    // A Redis that has never given anything back is told how first.
    expect(await givenBack[0]!.value).toBe(true);
    // Which of them comes first is up to the connections that they are sent on.
    const [one, other] = [ask(app, '/queue/long'), ask(app, '/queue/long')];
    while (one.status + other.status === 0) await turn();
    expect(one.status + other.status).toBe(429);
    one.leave();
    other.leave();
  });

  it('takes nothing from other limits of a request that finds it too long', async () => {
    const app = await startQueue(makeStorage(storage), platform);
    expect(remaining(await app.get('/queue/both'), 'other')).toBe(4);
    const waiting = ask(app, '/queue/both');
    let refused = await app.get('/queue/both');
    for (let i = 0; i < 6; i++) {
      refused = await app.get('/queue/both');
      expect(refused.status).toBe(429);
    }
    expect(members(refused, 'RateLimit')).toEqual({ line: { r: 0, t: expect.any(Number) as number } });
    expect(waiting.status).toBe(0);
    waiting.leave();
  });
});

const AT_LIST = '@RateLimit on ReportsController.list';
const ROWS: readonly MistakeRow[] = [
  [
    'a line of no stated length',
    () => onMethod([RateLimit(1, 1, { onExceeded: 'wait' })]),
    AT_LIST,
    "maxWaitMs is undefined with onExceeded: 'wait'",
    'how long a client may wait',
  ],
  [
    'a length without a line',
    () => onMethod([RateLimit(1, 1, { maxWaitMs: 100 })]),
    AT_LIST,
    "maxWaitMs stands without onExceeded: 'wait'",
    'remove it',
  ],
  [
    'an unknown way',
    () => onMethod([RateLimit(1, 1, { onExceeded: 'queue' as never })]),
    AT_LIST,
    'onExceeded is "queue"',
    "'wait'",
  ],
  [
    'a line for several limits at once',
    () => onMethod([RateLimit('1/second; 5/minute', { onExceeded: 'wait', maxWaitMs: 100 })]),
    AT_LIST,
    'not one bucket',
    'one capacity',
  ],
  [
    'a line with settling',
    () => onMethod([RateLimit(1, 1, { onExceeded: 'wait', maxWaitMs: 100, refundIf: () => true })]),
    AT_LIST,
    "refundIf or settle stands beside onExceeded: 'wait'",
    'limits of their own',
  ],
  [
    'a rule of a route about a shared line',
    () =>
      onMethod([RateLimit('calls', { refundIf: () => true })], {
        policies: { calls: { capacity: 1, perSeconds: 1, onExceeded: 'wait', maxWaitMs: 100 } },
      }),
    AT_LIST,
    "refundIf or settle stands beside onExceeded: 'wait'",
    'limits of their own',
  ],
  [
    'a shared policy in code whose numbers a request decides',
    () => withOptions({ policies: { calls: { limits: () => '1/second', usedInCode: true } } }),
    'RateLimitModule.forRoot policies.calls',
    'usedInCode is true for numbers that a request decides',
    'state the numbers',
  ],
  [
    'a line for a sliding window',
    () => onMethod([RateLimit(1, 1, { algorithm: 'sliding-window-log', onExceeded: 'wait', maxWaitMs: 100 })]),
    AT_LIST,
    'the algorithm of policy "default" is "sliding-window-log"',
    'leaky-bucket',
  ],
];

describe('An application with lines that cannot mean anything', () => {
  it.each(ROWS)('refuses %s', expectMistake);
});
