import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import {
  Controller,
  Get,
  Header,
  HttpCode,
  ImATeapotException,
  type MessageEvent,
  Redirect,
  Res,
  Sse,
  StreamableFile,
} from '@nestjs/common';
import { RateLimit, RateLimitModule } from 'nestjs-token-bucket';
import { concat, NEVER, type Observable, of } from 'rxjs';
import { limitFields, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';

/** What the responses of Express and of Fastify have in common. */
interface AnyResponse {
  status(code: number): this;
  send(body: string): unknown;
}

@Controller()
@RateLimit(2, 3600)
class EveryKindController {
  @Get('value')
  @HttpCode(202)
  @Header('X-Own', 'kept')
  value(): { value: number } {
    return { value: 1 };
  }

  @Get('later')
  async later(): Promise<string> {
    return 'later';
  }

  @Get('stream')
  observable(): Observable<string> {
    return of('observed');
  }

  @Get('known-error')
  knownError(): never {
    throw new ImATeapotException();
  }

  @Get('bug')
  bug(): never {
    throw new Error('a bug');
  }

  @Get('late-bug')
  async lateBug(): Promise<never> {
    throw new Error('a bug');
  }

  @Get('file')
  file(): StreamableFile {
    return new StreamableFile(Readable.from(['str', 'eam']), { type: 'text/csv' });
  }

  @Get('redirect')
  @Redirect('/value', 303)
  redirect(): void {}

  @Get('by-hand')
  byHand(@Res() response: AnyResponse): void {
    response.status(203).send('by hand');
  }

  @Get('passthrough')
  passthrough(@Res({ passthrough: true }) response: AnyResponse): string {
    response.status(203);
    return 'passthrough';
  }
}

@Controller()
class EventsController {
  @Sse('events')
  @RateLimit(2, 3600)
  events(): Observable<MessageEvent> {
    return of({ data: 'one' }, { data: 'two' });
  }

  @Sse('endless')
  @RateLimit(2, 3600)
  endless(): Observable<MessageEvent> {
    return concat(of({ data: 'first' }), NEVER);
  }
}

describe.each(LANES)('Whatever a handler answers on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();
  const startAll = () =>
    start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [EveryKindController, EventsController],
    });

  it.each<[path: string, status: number, body: string]>([
    ['/value', 202, '{"value":1}'],
    ['/later', 200, 'later'],
    ['/stream', 200, 'observed'],
    ['/known-error', 418, `{"message":"I'm a teapot","statusCode":418}`],
    ['/bug', 500, '{"statusCode":500,"message":"Internal server error"}'],
    ['/late-bug', 500, '{"statusCode":500,"message":"Internal server error"}'],
    ['/file', 200, 'stream'],
    ['/redirect', 303, ''],
    ['/by-hand', 203, 'by hand'],
    ['/passthrough', 203, 'passthrough'],
  ])('%s keeps its status %i and its body, has the fields, and its charge stays', async (path, status, body) => {
    const { get } = await startAll();
    const ask = () => get(path, '203.0.113.1', { redirect: 'manual' });

    const first = await ask();
    expect(first.status).toBe(status);
    const text = await first.text();
    // Express answers a redirect with a sentence, Fastify with nothing.
    if (path !== '/redirect') expect(text).toBe(body);
    expect(limitFields(first)).toMatchObject({
      'RateLimit-Policy': '"default";q=2;w=3600',
      RateLimit: '"default";r=1;t=1800',
      'X-RateLimit-Remaining': '1',
    });
    expect(first.headers.has('Retry-After')).toBe(false);

    expect(remaining(await ask())).toBe(0);
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(limitFields(refused)).toHaveProperty('Retry-After');
  });

  it('leaves the fields of the handler beside ours', async () => {
    const { get } = await startAll();
    expect((await get('/value')).headers.get('X-Own')).toBe('kept');
    expect((await get('/file')).headers.get('Content-Type')).toBe('text/csv');
    expect((await get('/redirect', '203.0.113.2', { redirect: 'manual' })).headers.get('Location')).toBe('/value');
  });

  it('sends the fields with the head of an event stream, and refuses before any event', async () => {
    const { get } = await startAll();
    const first = await get('/events');
    expect(first.status).toBe(200);
    expect(first.headers.get('Content-Type')).toBe('text/event-stream');
    expect(limitFields(first)).toMatchObject({
      RateLimit: '"default";r=1;t=1800',
      'X-RateLimit-Limit': '2',
      'X-RateLimit-Remaining': '1',
    });
    expect(await first.text()).toContain('data: one');

    await (await get('/events')).text();
    const refused = await get('/events');
    expect(refused.status).toBe(429);
    expect(refused.headers.get('Content-Type')).toMatch(/^application\/json\b/);
    expect(limitFields(refused)).toHaveProperty('Retry-After');
    expect(await refused.json()).toMatchObject({ statusCode: 429 });
  });

  it('sends the fields of an event stream while it goes on', async () => {
    const { get } = await startAll();
    const leaving = new AbortController();
    const response = await get('/endless', '203.0.113.1', { signal: leaving.signal });
    expect(remaining(response)).toBe(1);
    leaving.abort();
  });
});

@Controller()
class RawController {
  @Get('raw')
  @RateLimit(2, 3600)
  raw(@Res() reply: { hijack(): void; raw: ServerResponse }): void {
    reply.hijack();
    reply.raw.end('past the platform');
  }
}

describe.each(['memory', 'redis'] as const)("Node's own response, written past Fastify, with %s", (storage) => {
  const start = useApps();

  it('has none of the fields, but is charged and refused as any other', async () => {
    const { get } = await start({
      platform: 'fastify',
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [RawController],
    });
    for (let i = 0; i < 2; i++) {
      const response = await get('/raw');
      expect(await response.text()).toBe('past the platform');
      expect(limitFields(response)).toEqual({});
    }
    const refused = await get('/raw');
    expect(refused.status).toBe(429);
    expect(limitFields(refused)).toHaveProperty('Retry-After');
  });
});
