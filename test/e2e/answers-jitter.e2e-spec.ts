import { Controller, type ExecutionContext, Get } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { RateLimit, RateLimitGuard, RateLimitModule, RateLimitOverrides, user } from 'nestjs-token-bucket';
import { PLATFORMS } from './support/app.js';
import { limitFields, members } from './support/fields.js';
import { makeStorage, useApps } from './support/lanes.js';

const crypto = jest.requireActual<typeof import('node:crypto')>('node:crypto');
const WAIT_SECONDS = 3600;
const JITTER_SECONDS = 5;

@Controller()
class OnceController {
  @Get('guard')
  @RateLimit(1, WAIT_SECONDS)
  guard(): string {
    return 'once';
  }

  @Get('interceptor')
  @RateLimit(1, WAIT_SECONDS, { by: user() })
  interceptor(): string {
    return 'once';
  }

  @Get('line')
  @RateLimit(1, WAIT_SECONDS, { onExceeded: 'wait', maxWaitMs: 1000 })
  line(): string {
    return 'once';
  }

  @Get('costly')
  @RateLimit(1, WAIT_SECONDS, { cost: () => 2 })
  costly(): string {
    return 'never';
  }
}

interface Body {
  readonly message?: string;
  readonly detail?: string;
  readonly told?: number | string;
}

/** What a function that makes bodies finds on the answer: Fastify keeps numbers as texts, too. */
const told = (_: unknown, context: ExecutionContext) => ({
  told: context.switchToHttp().getResponse<{ getHeader(name: string): string }>().getHeader('Retry-After'),
});

describe.each(PLATFORMS)('headers.retryJitterSeconds on %s', (platform) => {
  const start = useApps();
  let longest: jest.SpyInstance;

  beforeEach(() => {
    const real = crypto.randomInt;
    longest = jest.spyOn(crypto, 'randomInt').mockImplementation((end: number) => {
      expect(real(end)).toBeLessThan(end);
      return end - 1;
    });
  });
  afterEach(() => longest.mockRestore());

  const startWith = (body: 'nest' | 'problem' | typeof told) =>
    start({
      platform,
      imports: [
        RateLimitModule.forRoot({
          storage: makeStorage('memory'),
          overrides: true,
          headers: { retryJitterSeconds: JITTER_SECONDS, legacy: { reset: 'delta' } },
          body,
        }),
      ],
      controllers: [OnceController],
      // Whoever is refused is told once, and the same again.
      providers: [{ provide: APP_GUARD, useExisting: RateLimitGuard }],
    });

  describe.each(['nest', 'problem', told] as const)('with body %p', (body) => {
    it.each([
      ['/guard', WAIT_SECONDS],
      ['/interceptor', WAIT_SECONDS],
      // A line of a second.
      ['/line', WAIT_SECONDS - 1],
    ])('moves all that a refusal of %s names by the same', async (path, waitSeconds) => {
      const { get } = await startWith(body);
      const admitted = await get(path);
      expect(limitFields(admitted)).toMatchObject({ 'X-RateLimit-Reset': String(WAIT_SECONDS) });
      expect(members(admitted, 'RateLimit')).toEqual({ default: { r: 0, t: WAIT_SECONDS } });
      const refused = await get(path);
      const seconds = waitSeconds + JITTER_SECONDS;
      expect(refused.status).toBe(429);
      expect(limitFields(refused)).toMatchObject({
        'Retry-After': String(seconds),
        'X-RateLimit-Reset': String(seconds),
      });
      expect(members(refused, 'RateLimit')).toEqual({ default: { r: 0, t: seconds } });
      const { message, detail, told: found } = (await refused.json()) as Body;
      if (body === told) expect(String(found)).toBe(String(seconds));
      else expect(message ?? detail).toMatch(new RegExp(`Retry in ${seconds} seconds\\.$`));
      expect(longest).toHaveBeenCalledTimes(1);
    });
  });

  it('moves the end of a block', async () => {
    const { get, app } = await startWith('nest');
    await app.get(RateLimitOverrides).block('ip:203.0.113.1', { expiresInSeconds: 90 });
    const refused = await get('/guard');
    expect(refused.headers.get('Retry-After')).toBe(String(90 + JITTER_SECONDS));
    expect(((await refused.json()) as Body).message).toContain(`Retry in ${90 + JITTER_SECONDS} seconds.`);
  });

  it('moves nothing where no wait would help', async () => {
    const { get } = await startWith('nest');
    const { status, headers } = await get('/costly');
    expect([status, headers.get('Retry-After'), headers.get('X-RateLimit-Reset')]).toEqual([429, null, '0']);
  });
});
