import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { AbstractHttpAdapter } from '@nestjs/core';
import request from 'supertest';
import { Decision, PolicyDecision } from '../../core/decision.js';
import { Policy } from '../../core/policy.js';
import { HeaderWriter } from './header-writer.js';
import { type HeadersOptions, resolveHeadersOptions } from './headers.options.js';

const NOW_MICROS = 1_800_000_000_000_000;
const policy = new Policy({ capacity: 10, perSeconds: 60 });
const charge = { policy, subject: 'ip:203.0.113.7', cost: 1 };
const decided = (allowed: boolean, debt: number): Decision => {
  const reply = { allowed, nowMicros: NOW_MICROS, debtUnits: [debt] };
  return new Decision(allowed, [new PolicyDecision(charge, allowed, reply, 0)], []);
};
const admitted = decided(true, policy.refillMicros);
const refused = decided(false, policy.capacityUnits);

const storage = { unixMicros: (nowMicros: number): number => nowMicros + 7_000_000 };

function writerFor(httpAdapter: unknown, options?: HeadersOptions): HeaderWriter {
  const adapterHost = { httpAdapter: httpAdapter as AbstractHttpAdapter };
  return new HeaderWriter(adapterHost, resolveHeadersOptions(options, 'test'), storage);
}

/** Keeps what is set, as [name, value] in order. */
class RecordingAdapter {
  readonly sets: [string, string][] = [];
  constructor(private readonly headersSent = false) {}

  isHeadersSent(): boolean {
    return this.headersSent;
  }

  setHeader(_response: unknown, name: string, value: string): void {
    this.sets.push([name, value]);
  }
}

describe('HeaderWriter', () => {
  it('sets every field of an admitted request once, with Unix time from the storage', () => {
    const adapter = new RecordingAdapter();
    writerFor(adapter).writeDecision({}, admitted);
    expect(adapter.sets).toEqual([
      ['ratelimit-policy', '"default";q=10;w=60'],
      ['ratelimit', '"default";r=9;t=54'],
      ['x-ratelimit-limit', '10'],
      ['x-ratelimit-remaining', '9'],
      ['x-ratelimit-reset', '1800000013'],
    ]);
  });

  it("sets them on Node's response itself, spelled as usual", () => {
    const adapter = new RecordingAdapter();
    const sets: string[] = [];
    const response = { setHeader: (name: string) => sets.push(name) };
    writerFor(adapter).writeDecision(response, admitted);
    expect(sets).toEqual([
      'RateLimit-Policy',
      'RateLimit',
      'X-RateLimit-Limit',
      'X-RateLimit-Remaining',
      'X-RateLimit-Reset',
    ]);
    expect(adapter.sets).toEqual([]);
  });

  it('adds how long to wait to a refusal', () => {
    const adapter = new RecordingAdapter();
    writerFor(adapter, { standard: false, legacy: false }).writeDecision({}, refused);
    expect(adapter.sets).toEqual([
      ['retry-after', '6'],
      ['cache-control', 'no-store'],
    ]);
  });

  it('tells nothing of limits when the storage failed', () => {
    const adapter = new RecordingAdapter();
    writerFor(adapter).writeUnavailable({});
    expect(adapter.sets).toEqual([
      ['retry-after', '1'],
      ['cache-control', 'no-store'],
    ]);
  });

  it('leaves Retry-After out of both on request', () => {
    const adapter = new RecordingAdapter();
    const writer = writerFor(adapter, { standard: false, legacy: false, retryAfter: false });
    writer.writeUnavailable({});
    writer.writeDecision({}, refused);
    expect(adapter.sets).toEqual([
      ['cache-control', 'no-store'],
      ['cache-control', 'no-store'],
    ]);
  });

  it('asks for the adapter when it writes, not when it is made', () => {
    const adapterHost = { httpAdapter: undefined as unknown as AbstractHttpAdapter };
    const writer = new HeaderWriter(adapterHost, resolveHeadersOptions(undefined, 'test'), storage);
    const adapter = new RecordingAdapter();
    adapterHost.httpAdapter = adapter as unknown as AbstractHttpAdapter;
    writer.writeDecision({}, admitted);
    expect(adapter.sets).toHaveLength(5);
  });

  it('writes nothing once the headers are sent', () => {
    const adapter = new RecordingAdapter(true);
    writerFor(adapter).writeDecision({}, refused);
    writerFor(adapter).writeUnavailable({});
    expect(adapter.sets).toEqual([]);
  });

  it.each([undefined, null])('writes nothing where the response is %p', (response) => {
    const adapter = new RecordingAdapter();
    writerFor(adapter).writeDecision(response, refused);
    writerFor(adapter).writeUnavailable(response);
    expect(adapter.sets).toEqual([]);
  });
});

/** The adapters' own types describe routes in more detail than is needed here. */
type Route = (
  request: unknown,
  response: { send(body: string): unknown; end?(): unknown; raw?: { end(): unknown } },
) => void;
interface Server {
  get(path: string, route: Route): unknown;
  ready?(): Promise<unknown>;
  server?: unknown;
}

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('HeaderWriter on %s', (_platform, makeAdapter) => {
  async function answer(route: (writer: HeaderWriter) => Route): Promise<request.Response> {
    const adapter = makeAdapter() as unknown as AbstractHttpAdapter;
    const server = adapter.getInstance<Server>();
    server.get('/', route(writerFor(adapter)));
    await server.ready?.();
    return request((server.server ?? server) as Parameters<typeof request>[0]).get('/');
  }

  it('replaces what an earlier writer of the same request set', async () => {
    const { headers } = await answer((writer) => (_request, response) => {
      writer.writeDecision(response, admitted);
      writer.writeDecision(response, refused);
      response.send('');
    });
    expect(headers['ratelimit']).toBe('"default";r=0;t=6');
    expect(headers['ratelimit-policy']).toBe('"default";q=10;w=60');
    expect(headers['x-ratelimit-remaining']).toBe('0');
    expect(headers['x-ratelimit-reset']).toBe('1800000013');
    expect(headers['retry-after']).toBe('6');
    expect(headers['cache-control']).toBe('no-store');
  });

  it('leaves an answer alone that is already under way', async () => {
    const { headers, status } = await answer((writer) => (_request, response) => {
      if (response.raw === undefined) response.end?.();
      else response.raw.end();
      writer.writeDecision(response, refused);
    });
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty('ratelimit');
    expect(headers).not.toHaveProperty('retry-after');
  });
});
