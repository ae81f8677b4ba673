import { Controller, type ExecutionContext, Get } from '@nestjs/common';
import { type Decision, RateLimit, RateLimitModule, type RateLimitModuleOptions } from 'nestjs-token-bucket';
import { limitFields } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { KeptLog } from './support/logs.js';

@Controller()
class OnceController {
  @Get()
  @RateLimit(1, 3600)
  once(): string {
    return 'once';
  }

  @Get('two')
  @RateLimit(1, 3600, { name: 'small' })
  @RateLimit(9, 3600, { name: 'large' })
  two(): string {
    return 'two';
  }
}

describe.each(LANES)('Bodies of refusals on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();

  /** The second answer of a route that admits one request. */
  const refusal = async (options: RateLimitModuleOptions, path = '/'): Promise<Response> => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage), ...options })],
      controllers: [OnceController],
    });
    expect((await get(path)).status).toBe(200);
    const response = await get(path);
    expect(response.status).toBe(429);
    expect(limitFields(response)).toHaveProperty('Retry-After');
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    return response;
  };

  it("are Nest's usual shape by default, and say the wait that Retry-After says", async () => {
    const response = await refusal({});
    expect(response.headers.get('Content-Type')).toMatch(/^application\/json\b/);
    expect(await response.json()).toEqual({
      statusCode: 429,
      message: `Rate limit exceeded. Retry in ${response.headers.get('Retry-After')} seconds.`,
      error: 'Too Many Requests',
    });
  });

  it("are problem documents with their media type with body: 'problem'", async () => {
    const response = await refusal({ body: 'problem' });
    expect(response.headers.get('Content-Type')).toMatch(/^application\/problem\+json\b/);
    expect(await response.json()).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Quota Exceeded',
      status: 429,
      detail: `Rate limit exceeded. Retry in ${response.headers.get('Retry-After')} seconds.`,
      'violated-policies': ['default'],
    });
  });

  it('name only the policies that refused as violated', async () => {
    const response = await refusal({ body: 'problem' }, '/two');
    expect(await response.json()).toMatchObject({ 'violated-policies': ['small'] });
  });

  it('leave the media type of admitted answers alone', async () => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage), body: 'problem' })],
      controllers: [OnceController],
    });
    const response = await get('/');
    expect(response.headers.get('Content-Type')).toMatch(/^text\//);
  });

  it('are what a function makes of the decision and the context', async () => {
    const body = (decision: Decision, context: ExecutionContext) => ({
      code: 'SLOW_DOWN',
      at: `${context.getClass().name}.${context.getHandler().name}`,
      of: decision.policies.map(({ policy, allowed }) => `${policy.name}: ${allowed ? 'yes' : 'no'}`),
      waitIsWhole: decision.retryAfterMs > 3_000_000 && decision.retryAfterMs <= 3_600_000,
    });
    const response = await refusal({ body }, '/two');
    expect(response.headers.get('Content-Type')).toMatch(/^application\/json\b/);
    expect(await response.json()).toEqual({
      code: 'SLOW_DOWN',
      at: 'OnceController.two',
      of: ['small: no', 'large: yes'],
      waitIsWhole: true,
    });
  });

  it("are the message of Nest's usual shape when a function makes a text", async () => {
    const response = await refusal({ body: () => 'Slow down.' });
    expect(await response.json()).toEqual({ statusCode: 429, message: 'Slow down.' });
  });

  const ELSE = 'for OnceController.once; expected a text or an object, at once';
  const NO_BODIES: readonly [what: string, make: () => unknown, did: string][] = [
    ['a promise', async () => ({ late: true }), `gave an instance of Promise ${ELSE}`],
    ['a promise that fails', () => Promise.reject(new Error('no text')), `gave an instance of Promise ${ELSE}`],
    ['undefined', () => undefined, `gave undefined ${ELSE}`],
    ['null', () => null, `gave null ${ELSE}`],
    ['a number', () => 429, `gave 429 ${ELSE}`],
    [
      'an error that it throws',
      () => {
        throw new Error('no text');
      },
      'failed for OnceController.once: no text',
    ],
  ];
  it.each(NO_BODIES)(
    "are Nest's usual shape where a function gives %s, which is told once",
    async (_what, make, did) => {
      const log = new KeptLog();
      const { get } = await start({
        platform,
        imports: [
          RateLimitModule.forRoot({
            storage: makeStorage(storage),
            body: make as () => string,
            logDenials: false,
            instances: 1,
          }),
        ],
        controllers: [OnceController],
        configure: (app) => app.useLogger(log),
      });
      await get('/');
      for (let i = 0; i < 3; i++) {
        const response = await get('/');
        expect(response.status).toBe(429);
        expect(await response.json()).toEqual({
          statusCode: 429,
          message: `Rate limit exceeded. Retry in ${response.headers.get('Retry-After')} seconds.`,
          error: 'Too Many Requests',
        });
      }
      expect(log.of('RateLimit')).toEqual([
        `error [RateLimit] RateLimitModule.forRoot body: it ${did}. ` +
          "Remedy: correct it, or use 'nest' or 'problem'. Such refusals have the body of 'nest'. This is said once.",
      ]);
    },
  );
});
