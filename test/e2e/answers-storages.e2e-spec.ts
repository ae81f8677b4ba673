import { Controller, Get } from '@nestjs/common';
import { RateLimit, RateLimitModule } from 'nestjs-token-bucket';
import { PLATFORMS } from './support/app.js';
import { members, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';

/** A token comes back in six minutes, so that tests on a real clock meet none. */
@Controller()
class SlowController {
  @Get()
  @RateLimit(10, 3600)
  slow(): string {
    return 'slow';
  }
}

describe.each(LANES)('Answers on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();

  it('admits as many requests as the bucket holds, then refuses, and counts every client alone', async () => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [SlowController],
    });
    const first = await get('/', '198.51.100.1');
    expect(members(first, 'RateLimit-Policy')).toEqual({ default: { q: 10, w: 3600 } });
    expect(members(first, 'RateLimit')).toEqual({ default: { r: 9, t: 3240 } });
    const left: unknown[] = [];
    for (let i = 0; i < 9; i++) left.push(remaining(await get('/', '198.51.100.1')));
    expect(left).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 0]);
    expect((await get('/', '198.51.100.1')).status).toBe(429);
    expect((await get('/', '198.51.100.2')).status).toBe(200);
  });

  it('admits exactly as many of a hundred simultaneous requests as the bucket holds', async () => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [SlowController],
    });
    const answers = await Promise.all(Array.from({ length: 100 }, () => get('/')));
    const admitted = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 429);
    expect([admitted.length, refused.length]).toEqual([10, 90]);
    const left = admitted.map((answer) => Number(remaining(answer)));
    expect(left.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(refused.every(({ headers }) => Number(headers.get('Retry-After')) >= 1)).toBe(true);
  });
});

describe.each(PLATFORMS)('Answers on %s with Redis', (platform) => {
  const start = useApps();

  it("tell the next token's arrival in Unix time", async () => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage('redis') })],
      controllers: [SlowController],
    });
    const before = Date.now() / 1000;
    const response = await get('/');
    const after = Date.now() / 1000;
    const reset = Number(response.headers.get('X-RateLimit-Reset'));
    expect(reset).toBeGreaterThanOrEqual(before + 360);
    expect(reset).toBeLessThanOrEqual(Math.ceil(after + 360));
  });
});
