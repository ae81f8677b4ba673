import { Controller, Get } from '@nestjs/common';
import { type HeadersOptions, RateLimit, RateLimitModule } from 'nestjs-token-bucket';
import { PLATFORMS } from './support/app.js';
import { limitFields } from './support/fields.js';
import { makeStorage, useApps } from './support/lanes.js';

@Controller()
class OnceController {
  @Get()
  @RateLimit(1, 60, { name: 'once' })
  once(): string {
    return 'once';
  }
}

const STANDARD = { 'RateLimit-Policy': '"once";q=1;w=60', RateLimit: '"once";r=0;t=60' };
const LEGACY = { 'X-RateLimit-Limit': '1', 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': '1800000060' };
const RETRY = { 'Retry-After': '60' };

describe.each(PLATFORMS)('Header families on %s', (platform) => {
  const start = useApps();

  /** The fields of an admitted and of a refused answer, in the same instant. */
  const bothAnswers = async (headers: HeadersOptions) => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage('memory'), headers })],
      controllers: [OnceController],
    });
    const admitted = await get('/');
    const refused = await get('/');
    expect([admitted.status, refused.status]).toEqual([200, 429]);
    expect(refused.headers.get('Cache-Control')).toBe('no-store');
    return [limitFields(admitted), limitFields(refused)];
  };

  it.each<[what: string, headers: HeadersOptions, admitted: object, refused: object]>([
    ['all three by default', {}, { ...STANDARD, ...LEGACY }, { ...STANDARD, ...LEGACY, ...RETRY }],
    [
      "the same for 'draft-8'",
      { standard: 'draft-8' },
      { ...STANDARD, ...LEGACY },
      { ...STANDARD, ...LEGACY, ...RETRY },
    ],
    ['no RateLimit fields', { standard: false }, LEGACY, { ...LEGACY, ...RETRY }],
    ['no X-RateLimit fields', { legacy: false }, STANDARD, { ...STANDARD, ...RETRY }],
    ['no Retry-After', { retryAfter: false }, { ...STANDARD, ...LEGACY }, { ...STANDARD, ...LEGACY }],
    ['nothing at all', { standard: false, legacy: false, retryAfter: false }, {}, {}],
    ['nothing but Retry-After', { standard: false, legacy: false }, {}, RETRY],
    [
      'X-RateLimit-Reset as seconds from now',
      { standard: false, legacy: { reset: 'delta' } },
      { ...LEGACY, 'X-RateLimit-Reset': '60' },
      { ...LEGACY, 'X-RateLimit-Reset': '60', ...RETRY },
    ],
    [
      'X-RateLimit-Policy where it is asked for',
      { standard: false, legacy: { policy: true } },
      { ...LEGACY, 'X-RateLimit-Policy': '1;w=60;name="once"' },
      { ...LEGACY, 'X-RateLimit-Policy': '1;w=60;name="once"', ...RETRY },
    ],
  ])('are sent as chosen: %s', async (_what, headers, admitted, refused) => {
    expect(await bothAnswers(headers)).toEqual([admitted, refused]);
  });
});
