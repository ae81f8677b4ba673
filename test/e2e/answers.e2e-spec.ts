import { Controller, Get } from '@nestjs/common';
import { MemoryStorage, RateLimit, RateLimitModule } from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { PLATFORMS } from './support/app.js';
import { limitFields } from './support/fields.js';
import { useApps } from './support/lanes.js';

/** What the manual clock shows first. */
const START = 1_800_000_000;

@Controller()
class ReportsController {
  @Get('list')
  @RateLimit(10, 60)
  list(): string {
    return 'list';
  }

  @Get('two')
  @RateLimit(5, 1, { name: 'burst' })
  @RateLimit(1000, 3600, { name: 'hourly' })
  two(): string {
    return 'two';
  }

  @Get('both-empty')
  @RateLimit(1, 10, { name: 'short' })
  @RateLimit(1, 100, { name: 'long' })
  bothEmpty(): string {
    return 'both empty';
  }

  @Get('costly')
  @RateLimit(10, 60, { cost: 7 })
  costly(): string {
    return 'costly';
  }

  @Get('open')
  open(): string {
    return 'open';
  }
}

describe.each(PLATFORMS)('Answers to the microsecond on %s', (platform) => {
  const start = useApps();
  const clock = (): ManualClock => new ManualClock(START * 1_000_000);

  const startReports = async (time = clock()) => {
    const storage = new MemoryStorage({ clock: time });
    return start({
      platform,
      imports: [RateLimitModule.forRoot({ storage })],
      controllers: [ReportsController],
    });
  };

  it('tells the first client of a full bucket what is left and for how long it lasts', async () => {
    const { get } = await startReports();
    const response = await get('/list');
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('list');
    expect(limitFields(response)).toEqual({
      'RateLimit-Policy': '"default";q=10;w=60',
      RateLimit: '"default";r=9;t=54',
      'X-RateLimit-Limit': '10',
      'X-RateLimit-Remaining': '9',
      'X-RateLimit-Reset': String(START + 6),
    });
    expect(response.headers.get('Cache-Control')).toBeNull();
  });

  it('counts the time that passed between two requests', async () => {
    const time = clock();
    const { get } = await startReports(time);
    await get('/list');
    time.advanceMs(1000);
    // 49 of 60 seconds' worth are left: eight tokens and a sixth of one, which is whole in 5 s.
    expect(limitFields(await get('/list'))).toEqual({
      'RateLimit-Policy': '"default";q=10;w=60',
      RateLimit: '"default";r=8;t=49',
      'X-RateLimit-Limit': '10',
      'X-RateLimit-Remaining': '8',
      'X-RateLimit-Reset': String(START + 6),
    });
  });

  it('admits the last token and says when the next one comes', async () => {
    const { get } = await startReports();
    for (let i = 0; i < 9; i++) await get('/list');
    const response = await get('/list');
    expect(response.status).toBe(200);
    expect(limitFields(response)).toMatchObject({
      RateLimit: '"default";r=0;t=6',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Reset': String(START + 6),
    });
    expect(response.headers.has('Retry-After')).toBe(false);
  });

  it('refuses the request after it, with the wait rounded up to whole seconds', async () => {
    const time = clock();
    const { get } = await startReports(time);
    for (let i = 0; i < 10; i++) await get('/list');
    time.advanceMs(1500);
    const response = await get('/list');
    expect(response.status).toBe(429);
    expect(limitFields(response)).toEqual({
      'RateLimit-Policy': '"default";q=10;w=60',
      RateLimit: '"default";r=0;t=5',
      'X-RateLimit-Limit': '10',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Reset': String(START + 6),
      'Retry-After': '5',
    });
    expect(response.headers.get('Cache-Control')).toBe('no-store');
  });

  it('refuses one microsecond before the token arrives and admits with it', async () => {
    const time = clock();
    const { get } = await startReports(time);
    for (let i = 0; i < 10; i++) await get('/list');
    time.advanceMicros(5_999_999);
    const early = await get('/list');
    expect([early.status, early.headers.get('Retry-After')]).toEqual([429, '1']);
    time.advanceMicros(1);
    expect((await get('/list')).status).toBe(200);
  });

  it('tells of every policy that admitted the request', async () => {
    const { get } = await startReports();
    expect(limitFields(await get('/two'))).toEqual({
      'RateLimit-Policy': '"burst";q=5;w=1, "hourly";q=1000;w=3600',
      RateLimit: '"burst";r=4;t=1, "hourly";r=999;t=3597',
      'X-RateLimit-Limit': '5',
      'X-RateLimit-Remaining': '4',
      'X-RateLimit-Reset': String(START + 1),
    });
  });

  it('names only the policies that refused it beside Retry-After', async () => {
    const { get } = await startReports();
    for (let i = 0; i < 5; i++) await get('/two');
    expect(limitFields(await get('/two'))).toEqual({
      'RateLimit-Policy': '"burst";q=5;w=1, "hourly";q=1000;w=3600',
      RateLimit: '"burst";r=0;t=1',
      'X-RateLimit-Limit': '5',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Reset': String(START + 1),
      'Retry-After': '1',
    });
  });

  it('sends the longest wait when several policies refuse', async () => {
    const { get } = await startReports();
    await get('/both-empty');
    expect(limitFields(await get('/both-empty'))).toMatchObject({
      RateLimit: '"short";r=0;t=10, "long";r=0;t=100',
      'X-RateLimit-Reset': String(START + 100),
      'Retry-After': '100',
    });
  });

  it('refuses a costly request while tokens for cheaper ones are left', async () => {
    const { get } = await startReports();
    expect(limitFields(await get('/costly'))).toMatchObject({ RateLimit: '"default";r=3;t=18' });
    const refused = await get('/costly');
    expect(refused.status).toBe(429);
    expect(limitFields(refused)).toMatchObject({ RateLimit: '"default";r=3;t=24', 'Retry-After': '24' });
  });

  it('adds nothing to a route without limits', async () => {
    const { get } = await startReports();
    const response = await get('/open');
    expect(response.status).toBe(200);
    expect(limitFields(response)).toEqual({});
  });
});
